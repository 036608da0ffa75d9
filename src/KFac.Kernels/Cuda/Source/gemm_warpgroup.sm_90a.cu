// General matrix products as accurate as float32 on Hopper's warpgroup tensor cores: product_warpgroup.cuh, arguments as in
// gemm_kernel.cuh.
#include "gemm_kernel.cuh"
#include "product_warpgroup.cuh"

namespace kfac {

template <Along A, Along B>
static __device__ __forceinline__ void gemm_warpgroup(const GemmKernelArguments& args, float* shared) {
    using Tile = WarpgroupTile;
    int row, column;
    find_tile<Tile>(static_cast<int>(blockIdx.x), args.m, args.n, row, column);
    const int first = static_cast<int>(blockIdx.y) * args.part_depth;
    const int depth = min(args.part_depth, args.k - first);
    const long long batch = blockIdx.z;
    const StridedOperand<A, Tile::Rows, Tile::Threads, LeftWords<A, Tile::Rows>> a{
        args.a + batch * args.a_batch + (A == Along::lines ? first * args.a_stride + row : row * args.a_stride + first),
        args.a_stride, args.m - row, depth, (args.aligned & 1) != 0};
    const StridedOperand<B, Tile::Columns, Tile::Threads, RightWords<B, Tile::Columns>> b{
        args.b + batch * args.b_batch + (B == Along::lines ? first * args.b_stride + column : column * args.b_stride + first),
        args.b_stride, args.n - column, depth, (args.aligned & 2) != 0};
    float sums[Tile::Sums] = {};
    multiply_slices_warpgroup(shared, a, b, (depth + slice_depth - 1) / slice_depth, sums, [](const float*) {});
    repair<Tile::Sums, Tile::Threads>(shared, a, b, sums, locate_warpgroup_sum);
    float* const c = args.c + batch * args.c_batch + static_cast<long long>(blockIdx.y) * args.c_part + row * args.c_stride + column;
    store_warpgroup_tile(sums, Result{c, args.c_stride, a.lines, b.lines, args.alpha, args.beta, (args.aligned & 4) != 0});
}

}  // namespace kfac

#define KFAC_GEMM_WARPGROUP(layouts, A, B)                                                         \
    KFAC_KERNEL(gemm_warpgroup_##layouts, GemmKernelArguments, kfac::WarpgroupTile::Threads) {     \
        KFAC_DYNAMIC_SHARED(float, shared);                                                        \
        kfac::gemm_warpgroup<kfac::Along::A, kfac::Along::B>(args, shared);                        \
    }

KFAC_GEMM_WARPGROUP(nn, depth, lines)
KFAC_GEMM_WARPGROUP(nt, depth, depth)
KFAC_GEMM_WARPGROUP(tn, lines, lines)
KFAC_GEMM_WARPGROUP(tt, lines, depth)
