// C ← α·op(A)·op(B) + β·C: what the kernels of gemm*.cu are made of. A block computes a tile of C over a range of depths; where
// tiles alone are too few to fill a GPU, launchers cut the depth, and gemm_finish adds the parts in their order.
#pragma once

#include "product_tile.cuh"

struct GemmKernelArguments {
    const float* a;
    const float* b;
    float* c;
    long long a_stride, b_stride, c_stride;
    long long a_batch, b_batch, c_batch;  // elements from one matrix of the batch to the next
    long long c_part;                     // elements from the results of one range of depths to those of the next
    int m, n, k;
    int part_depth;  // depths of a range, a multiple of 32
    float alpha, beta;
    int aligned;  // whether rows start at multiples of 16 bytes: 1 for A, 2 for B, 4 for C
};

namespace kfac {

// Tiles of a few rows are computed together, column after column, so that what they read stays in the second-level cache.
template <class Shape>
static __device__ __forceinline__ void find_tile(int index, int m, int n, int& row, int& column) {
    constexpr int together = 8;
    const int tiles_m = (m + Shape::Rows - 1) / Shape::Rows, tiles_n = (n + Shape::Columns - 1) / Shape::Columns;
    const int first = index / (together * tiles_n) * together;
    const int rows = min(together, tiles_m - first);
    const int inside = index % (together * tiles_n);
    row = (first + inside % rows) * Shape::Rows;
    column = inside / rows * Shape::Columns;
}

template <class Shape, Precision P, Along A, Along B>
static __device__ __forceinline__ void gemm(const GemmKernelArguments& args, float* shared) {
    int row, column;
    find_tile<Shape>(static_cast<int>(blockIdx.x), args.m, args.n, row, column);
    const int first = static_cast<int>(blockIdx.y) * args.part_depth;
    const int depth = min(args.part_depth, args.k - first);
    const long long batch = blockIdx.z;
    const StridedOperand<A, Shape::Rows, Shape::Threads> a{
        args.a + batch * args.a_batch + (A == Along::lines ? first * args.a_stride + row : row * args.a_stride + first),
        args.a_stride, args.m - row, depth, (args.aligned & 1) != 0};
    const StridedOperand<B, Shape::Columns, Shape::Threads> b{
        args.b + batch * args.b_batch + (B == Along::lines ? first * args.b_stride + column : column * args.b_stride + first),
        args.b_stride, args.n - column, depth, (args.aligned & 2) != 0};
    const LanePlace<Shape> lane;
    const bool active = lane.row < a.lines && lane.column < b.lines;
    Sums<Shape> sums = {};
    multiply_slices<Shape, P>(shared, a, b, (depth + slice_depth - 1) / slice_depth, false, active, sums, [](const float*) {});
    if constexpr (P == Precision::split) {
        repair<Shape>(shared, a, b, sums);
    }

    float* const c = args.c + batch * args.c_batch + static_cast<long long>(blockIdx.y) * args.c_part + row * args.c_stride + column;
    store_tile<Shape>(sums, Result{c, args.c_stride, a.lines, b.lines, args.alpha, args.beta, (args.aligned & 4) != 0});
}

}  // namespace kfac

// Kernels gemm_<precision>_<layouts>_<size>: n as stored, t transposed.
#define KFAC_GEMM(precision, size, layouts, A, B)                                                                          \
    KFAC_KERNEL(gemm_##precision##_##layouts##_##size, GemmKernelArguments, kfac::Shapes<kfac::Precision::precision>::size::Threads) { \
        KFAC_DYNAMIC_SHARED(float, shared);                                                                                \
        kfac::gemm<kfac::Shapes<kfac::Precision::precision>::size, kfac::Precision::precision, kfac::Along::A, kfac::Along::B>(args, shared); \
    }
#define KFAC_GEMMS(precision, size)                    \
    KFAC_GEMM(precision, size, nn, depth, lines)       \
    KFAC_GEMM(precision, size, nt, depth, depth)       \
    KFAC_GEMM(precision, size, tn, lines, lines)       \
    KFAC_GEMM(precision, size, tt, lines, depth)
