// Products for Gram matrices as accurate as float32 on Hopper's warpgroup tensor cores: product_warpgroup.cuh, arguments as in
// gram_kernel.cuh.
#include "gram_kernel.cuh"
#include "product_warpgroup.cuh"

KFAC_KERNEL(gram_warpgroup, GramKernelArguments, kfac::WarpgroupTile::Threads) {
    using namespace kfac;
    using Tile = WarpgroupTile;
    KFAC_DYNAMIC_SHARED(float, shared);
    int row, column;
    find_triangle_tile(static_cast<int>(blockIdx.x), row, column);
    row *= Tile::Rows;
    column *= Tile::Columns;
    const int first = static_cast<int>(blockIdx.y) * args.part_depth;
    const int depth = min(args.part_depth, args.rows - first);
    const long long batch = blockIdx.z, slot = batch * gridDim.y + blockIdx.y;
    const float* const x = args.x + batch * args.x_batch + first * args.x_stride;
    using Left = LeftWords<Along::lines, Tile::Rows>;
    const StridedOperand<Along::lines, Tile::Rows, Tile::Threads, Left> a{
        x + row, args.x_stride, args.columns - row, depth, args.aligned != 0};
    const StridedOperand<Along::lines, Tile::Columns, Tile::Threads, RightWords<Along::lines, Tile::Columns>> b{
        x + column, args.x_stride, args.columns - column, depth, args.aligned != 0};
    const bool with_sums = row == column && args.column_sums != nullptr;
    ColumnSums<Tile, Left> column_sums;
    float sums[Tile::Sums] = {};
    multiply_slices_warpgroup(shared, a, b, (depth + slice_depth - 1) / slice_depth, sums, [&](const float* tile) {
        if (with_sums) {
            column_sums.add(tile);
        }
    });
    repair<Tile::Sums, Tile::Threads>(shared, a, b, sums, locate_warpgroup_sum);
    float* const part = args.parts + slot * args.part_size + row * args.part_stride + column;
    store_warpgroup_tile(sums, Result{part, args.part_stride, a.lines, b.lines, 1.0f, 0.0f, true});
    if (with_sums) {
        __syncthreads();
        column_sums.store(shared, args.column_sums + slot * args.columns + row, a.lines);
    }
}
