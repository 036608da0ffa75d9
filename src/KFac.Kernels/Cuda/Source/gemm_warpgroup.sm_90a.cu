// General matrix products on Hopper's warpgroup tensor cores and copy engine: product_warpgroup.cuh.
#include "gemm_kernel.cuh"
#include "product_warpgroup.cuh"

// The maps are of both factors as they are stored, all matrices of the batch.
struct GemmWarpgroupArguments {
    TensorMap a, b;
    GemmKernelArguments product;
};

namespace kfac {

template <Precision P, int Columns, Along A, Along B>
static __device__ __forceinline__ void gemm_warpgroup(const GemmKernelArguments& args, const GemmWarpgroupArguments* maps, float* shared) {
    using Tile = WarpgroupTile<P, Columns>;
    int row, column;
    find_tile<Tile>(static_cast<int>(blockIdx.x), args.m, args.n, row, column);
    const int first = static_cast<int>(blockIdx.y) * args.part_depth;
    const int depth = min(args.part_depth, args.k - first);
    const int batch = static_cast<int>(blockIdx.z);
    const BoxOperand<A> a{
        &maps->a, row, first, batch,
        args.a + batch * args.a_batch + (A == Along::lines ? first * args.a_stride + row : row * args.a_stride + first),
        args.a_stride, args.m - row, depth};
    const BoxOperand<B> b{
        &maps->b, column, first, batch,
        args.b + batch * args.b_batch + (B == Along::lines ? first * args.b_stride + column : column * args.b_stride + first),
        args.b_stride, args.n - column, depth};
    float* const c = args.c + batch * args.c_batch + static_cast<long long>(blockIdx.y) * args.c_part + row * args.c_stride + column;
    multiply_warpgroup<Tile, P>(shared, a, b, Result{c, args.c_stride, a.lines, b.lines, args.alpha, args.beta, (args.aligned & 4) != 0}, nullptr);
}

}  // namespace kfac

// Kernels gemm_warpgroup_<precision>_<layouts>: n as stored, t transposed.
#define KFAC_GEMM_WARPGROUP(precision, columns, layouts, A, B)                                                   \
    KFAC_WARPGROUP_KERNEL(gemm_warpgroup_##precision##_##layouts, GemmWarpgroupArguments) {                      \
        KFAC_DYNAMIC_SHARED(float, shared);                                                                      \
        KFAC_ARGUMENTS_ADDRESS(gemm_warpgroup_##precision##_##layouts, GemmWarpgroupArguments, maps);            \
        kfac::gemm_warpgroup<kfac::Precision::precision, columns, kfac::Along::A, kfac::Along::B>(args.product, maps, shared); \
    }
#define KFAC_GEMMS_WARPGROUP(precision, columns)                 \
    KFAC_GEMM_WARPGROUP(precision, columns, nn, depth, lines)    \
    KFAC_GEMM_WARPGROUP(precision, columns, nt, depth, depth)    \
    KFAC_GEMM_WARPGROUP(precision, columns, tn, lines, lines)    \
    KFAC_GEMM_WARPGROUP(precision, columns, tt, lines, depth)

KFAC_GEMMS_WARPGROUP(split, 128)
KFAC_GEMMS_WARPGROUP(tf32, 256)
