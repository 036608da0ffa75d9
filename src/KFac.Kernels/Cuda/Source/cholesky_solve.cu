// V (A + λI)⁻¹ = V L⁻ᵀ L⁻¹ through a packed factor (packed_factor.cuh), by blocks of 48 columns, forward from the first and
// backward from the last:
//
//   Y[j] = (V[j] - Σ_{i<j} Y[i] L[j][i]ᵀ) D_jᵀ,   Z[j] = (Y[j] - Σ_{i>j} Z[i] L[i][j]) D_j.
//
// A thread block owns 16 vectors and takes them through both chains without waiting for another; Y and Z lie in the result. Of each
// product a slice of 48 depths is in shared memory while the next is on its way from global memory. A thread has one column of
// four vectors.
#include "packed_factor.cuh"
#include "square_tile.cuh"

struct CholeskySolveArguments {
    const float* factor;
    const float* v;
    float* result;
    long long v_stride, v_step;  // between vectors, and between the elements of one
    long long result_stride, result_step;
    int size;
    int vectors;
};

namespace kfac {

constexpr int solve_vectors = 16;
constexpr int solve_rows = 4;  // vectors of a thread
constexpr int solve_threads = factor_block * solve_vectors / solve_rows;

struct SolveSlice {
    __align__(16) float vectors[solve_vectors][factor_block];
    float factor[factor_block][factor_block];
};

// What a thread carries of the next slice.
struct NextSlice {
    float vectors[solve_rows];
    float factor[factor_square / solve_threads];
};

static __device__ __forceinline__ int solve_column() { return static_cast<int>(threadIdx.x) % factor_block; }
static __device__ __forceinline__ int solve_row(int r) { return static_cast<int>(threadIdx.x) / factor_block * solve_rows + r; }

// Element e of this thread's part of a slice: neighbouring threads read neighbours in memory, of a vector or of a row of vectors.
static __device__ __forceinline__ void find_slice_element(bool along, int e, int& vector, int& index) {
    const int element = e * solve_threads + static_cast<int>(threadIdx.x);
    vector = along ? element / factor_block : element % solve_vectors;
    index = along ? element % factor_block : element / solve_vectors;
}

static __device__ __forceinline__ void load_solved(const CholeskySolveArguments& args, int block, NextSlice& next) {
#pragma unroll
    for (int e = 0; e < solve_rows; ++e) {
        int vector, index;
        find_slice_element(args.result_step == 1, e, vector, index);
        vector += static_cast<int>(blockIdx.x) * solve_vectors;
        index += block * factor_block;
        const bool exists = vector < args.vectors && index < args.size;
        next.vectors[e] = exists ? args.result[vector * args.result_stride + index * args.result_step] : 0.0f;
    }
}

static __device__ __forceinline__ void load_square(const float* square, NextSlice& next) {
#pragma unroll
    for (int e = 0; e < factor_square / solve_threads; ++e) {
        next.factor[e] = square[e * solve_threads + static_cast<int>(threadIdx.x)];
    }
}

static __device__ __forceinline__ void store_square(const NextSlice& next, SolveSlice& shared) {
#pragma unroll
    for (int e = 0; e < factor_square / solve_threads; ++e) {
        const int element = e * solve_threads + static_cast<int>(threadIdx.x);
        shared.factor[element / factor_block][element % factor_block] = next.factor[e];
    }
}

static __device__ __forceinline__ void multiply_slice(float (&sum)[solve_rows], const SolveSlice& shared) {
#pragma unroll 3
    for (int k = 0; k < factor_block; k += 4) {
        float a[solve_rows][4];
#pragma unroll
        for (int r = 0; r < solve_rows; ++r) {
            load_run(a[r], &shared.vectors[solve_row(r)][k]);
        }

#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const float b = shared.factor[k + e][solve_column()];
#pragma unroll
            for (int r = 0; r < solve_rows; ++r) {
                sum[r] = fma(a[r][e], b, sum[r]);
            }
        }
    }
}

// One block of the vectors: less the products of `count` solved blocks from `first` on with the squares at `products`, times `diagonal`.
// `from` has the block's elements before; all of it is in the result behind the last barrier.
static __device__ __forceinline__ void solve_block(
    const CholeskySolveArguments& args, SolveSlice& shared, int block, int first, int count, const float* products, const float* diagonal,
    const float* from, long long from_stride, long long from_step) {
    float sum[solve_rows] = {};
    NextSlice next;
    load_square(count > 0 ? products : diagonal, next);
    if (count > 0) {
        load_solved(args, first, next);
    }

#pragma unroll 1
    for (int i = 0; i < count; ++i) {
        __syncthreads();
        store_square(next, shared);
#pragma unroll
        for (int e = 0; e < solve_rows; ++e) {
            int vector, index;
            find_slice_element(args.result_step == 1, e, vector, index);
            shared.vectors[vector][index] = next.vectors[e];
        }

        __syncthreads();
        const bool is_last = i + 1 == count;
        load_square(is_last ? diagonal : products + static_cast<long long>(i + 1) * factor_square, next);
        if (!is_last) {
            load_solved(args, first + i + 1, next);
        }

        multiply_slice(sum, shared);
    }

    __syncthreads();
    store_square(next, shared);
    const int index = block * factor_block + solve_column(), group = static_cast<int>(blockIdx.x) * solve_vectors;
#pragma unroll
    for (int r = 0; r < solve_rows; ++r) {
        const int vector = group + solve_row(r);
        const float before = vector < args.vectors && index < args.size ? from[vector * from_stride + index * from_step] : 0.0f;
        shared.vectors[solve_row(r)][solve_column()] = before - sum[r];
        sum[r] = 0;
    }

    __syncthreads();
    multiply_slice(sum, shared);
#pragma unroll
    for (int r = 0; r < solve_rows; ++r) {
        const int vector = group + solve_row(r);
        if (vector < args.vectors && index < args.size) {
            args.result[vector * args.result_stride + index * args.result_step] = sum[r];
        }
    }

    __syncthreads();  // before others read what is solved
}

}  // namespace kfac

KFAC_KERNEL(cholesky_solve, CholeskySolveArguments, kfac::solve_threads) {
    __shared__ kfac::SolveSlice shared;
    const int blocks = (args.size + kfac::factor_block - 1) / kfac::factor_block;
#pragma unroll 1
    for (int j = 0; j < blocks; ++j) {
        const float* const column = args.factor + kfac::squares_before_forward(j) * kfac::factor_square;
        const float* const diagonal = column + static_cast<long long>(j) * kfac::factor_square;
        kfac::solve_block(args, shared, j, 0, j, column, diagonal, args.v, args.v_stride, args.v_step);
    }

#pragma unroll 1
    for (int j = blocks - 1; j >= 0; --j) {
        const float* const diagonal = args.factor + kfac::squares_before_backward(j, blocks) * kfac::factor_square;
        kfac::solve_block(
            args, shared, j, j + 1, blocks - j - 1, diagonal + kfac::factor_square, diagonal, args.result, args.result_stride, args.result_step);
    }
}
