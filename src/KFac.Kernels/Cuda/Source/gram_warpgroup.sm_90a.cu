// Products for Gram matrices on Hopper's warpgroup tensor cores and copy engine: product_warpgroup.cuh.
#include "gram_kernel.cuh"
#include "product_warpgroup.cuh"

// The map is of X, all matrices of the batch.
struct GramWarpgroupArguments {
    TensorMap x;
    GramKernelArguments product;
};

namespace kfac {

template <Precision P>
static __device__ __forceinline__ void gram_warpgroup(const GramKernelArguments& args, const GramWarpgroupArguments* maps, float* shared) {
    using Tile = WarpgroupTile<P, 128>;
    int row, column;
    find_triangle_tile(static_cast<int>(blockIdx.x), row, column);
    row *= Tile::Rows;
    column *= Tile::Columns;
    const int first = static_cast<int>(blockIdx.y) * args.part_depth;
    const int depth = min(args.part_depth, args.rows - first);
    const int batch = static_cast<int>(blockIdx.z);
    const long long slot = static_cast<long long>(batch) * gridDim.y + blockIdx.y;
    const float* const x = args.x + batch * args.x_batch + first * args.x_stride;
    const BoxOperand<Along::lines> a{&maps->x, row, first, batch, x + row, args.x_stride, args.columns - row, depth};
    const BoxOperand<Along::lines> b{&maps->x, column, first, batch, x + column, args.x_stride, args.columns - column, depth};
    float* const part = args.parts + slot * args.part_size + row * args.part_stride + column;
    const bool with_sums = row == column && args.column_sums != nullptr;
    multiply_warpgroup<Tile, P>(
        shared, a, b, Result{part, args.part_stride, a.lines, b.lines, 1.0f, 0.0f, true},
        with_sums ? args.column_sums + slot * args.columns + column : nullptr);
}

}  // namespace kfac

// Kernels gram_warpgroup_<precision>.
#define KFAC_GRAM_WARPGROUP(precision)                                                                \
    KFAC_WARPGROUP_KERNEL(gram_warpgroup_##precision, GramWarpgroupArguments) {                       \
        KFAC_DYNAMIC_SHARED(float, shared);                                                           \
        KFAC_ARGUMENTS_ADDRESS(gram_warpgroup_##precision, GramWarpgroupArguments, maps);             \
        kfac::gram_warpgroup<kfac::Precision::precision>(args.product, maps, shared);                 \
    }

KFAC_GRAM_WARPGROUP(split)
KFAC_GRAM_WARPGROUP(tf32)
