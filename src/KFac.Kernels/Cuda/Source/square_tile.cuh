// Tiles of 64×64 elements, float or double: 256 threads, each with 4×4 of them. What factorisations are made of.
#pragma once

#include "platform.cuh"

namespace kfac {

constexpr int square_tile = 64;
constexpr int square_threads = 256;

// The element that accumulator (r, c) of this thread stands for: neighbours in a row belong to neighbouring threads.
static __device__ __forceinline__ int tile_row(int r) { return static_cast<int>(threadIdx.x) / 16 + 16 * r; }
static __device__ __forceinline__ int tile_column(int c) { return static_cast<int>(threadIdx.x) % 16 + 16 * c; }

// Depths of two operands that are in shared memory at a time.
template <typename T>
struct TileOperands {
    static constexpr int depth = 16;
    T left[square_tile][depth + 1];
    T right[square_tile][depth + 1];
};

// sum(i, j) += left(i, k) right(j, k) over the 64 depths k. `left` and `right` read global memory; all 256 threads call.
template <typename T, typename Left, typename Right>
static __device__ __forceinline__ void multiply_tile(T (&sum)[4][4], TileOperands<T>& shared, Left left, Right right) {
    constexpr int depth = TileOperands<T>::depth;
    const int thread = static_cast<int>(threadIdx.x);
    for (int first = 0; first < square_tile; first += depth) {
        __syncthreads();
#pragma unroll
        for (int e = thread; e < square_tile * depth; e += square_threads) {
            const int line = e / depth, k = e % depth;
            shared.left[line][k] = left(line, first + k);
            shared.right[line][k] = right(line, first + k);
        }

        __syncthreads();
#pragma unroll
        for (int k = 0; k < depth; ++k) {
            T a[4], b[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                a[i] = shared.left[tile_row(i)][k];
                b[i] = shared.right[tile_column(i)][k];
            }

#pragma unroll
            for (int r = 0; r < 4; ++r) {
#pragma unroll
                for (int c = 0; c < 4; ++c) {
                    sum[r][c] = fma(a[r], b[c], sum[r][c]);
                }
            }
        }
    }
}

}  // namespace kfac
