// Tiles of 64×64 elements, float or double: 256 threads, each with 4×4 of them. What factorisations are made of.
#pragma once

#include "platform.cuh"

namespace kfac {

constexpr int square_tile = 64;
constexpr int square_threads = 256;

// The element that accumulator (r, c) of this thread stands for: neighbours in a row belong to neighbouring threads.
static __device__ __forceinline__ int tile_row(int r) { return static_cast<int>(threadIdx.x) / 16 + 16 * r; }
static __device__ __forceinline__ int tile_column(int c) { return static_cast<int>(threadIdx.x) % 16 + 16 * c; }

// Elements that go from shared memory to registers together: 16 bytes.
template <typename T>
constexpr int run = 16 / static_cast<int>(sizeof(T));

struct __align__(16) DoublePair {
    double x, y;
};

static __device__ __forceinline__ void load_run(float (&to)[4], const float* from) {
    const float4 word = *reinterpret_cast<const float4*>(from);
    to[0] = word.x;
    to[1] = word.y;
    to[2] = word.z;
    to[3] = word.w;
}

static __device__ __forceinline__ void load_run(double (&to)[2], const double* from) {
    const DoublePair word = *reinterpret_cast<const DoublePair*>(from);
    to[0] = word.x;
    to[1] = word.y;
}

// Depths of two operands that are in shared memory at a time. Rows are 16 bytes longer than that: eight neighbouring lines, which is
// what shared memory serves at once in reads of 16 bytes, then lie in different banks.
template <typename T>
struct TileOperands {
    static constexpr int depth = 16;
    static constexpr int row = depth + run<T>;
    __align__(16) T left[square_tile][row];
    __align__(16) T right[square_tile][row];
};

// sum(i, j) += left(i, k) right(j, k) over the 64 depths k. `left` and `right` read global memory; all 256 threads call.
// A thread reads as many depths of a line as 16 bytes hold: single elements would cost twice the time of their products. What comes
// next from global memory is on its way while these are multiplied.
template <typename T, typename Left, typename Right>
static __device__ __forceinline__ void multiply_tile(T (&sum)[4][4], TileOperands<T>& shared, Left left, Right right) {
    constexpr int depth = TileOperands<T>::depth, count = run<T>;
    constexpr int passes = square_tile * depth / square_threads, step = square_threads / depth;
    const int line = static_cast<int>(threadIdx.x) / depth, mine = static_cast<int>(threadIdx.x) % depth;
    T next_left[passes], next_right[passes];
#pragma unroll
    for (int i = 0; i < passes; ++i) {
        next_left[i] = left(line + i * step, mine);
        next_right[i] = right(line + i * step, mine);
    }

#pragma unroll 1
    for (int first = 0; first < square_tile; first += depth) {
        __syncthreads();
#pragma unroll
        for (int i = 0; i < passes; ++i) {
            shared.left[line + i * step][mine] = next_left[i];
            shared.right[line + i * step][mine] = next_right[i];
        }

        __syncthreads();
        if (first + depth < square_tile) {
#pragma unroll
            for (int i = 0; i < passes; ++i) {
                next_left[i] = left(line + i * step, first + depth + mine);
                next_right[i] = right(line + i * step, first + depth + mine);
            }
        }

#pragma unroll
        for (int k = 0; k < depth; k += count) {
            T a[4][count], b[4][count];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                load_run(a[i], &shared.left[tile_row(i)][k]);
                load_run(b[i], &shared.right[tile_column(i)][k]);
            }

#pragma unroll
            for (int e = 0; e < count; ++e) {
#pragma unroll
                for (int r = 0; r < 4; ++r) {
#pragma unroll
                    for (int c = 0; c < 4; ++c) {
                        sum[r][c] = fma(a[r][e], b[c][e], sum[r][c]);
                    }
                }
            }
        }
    }
}

}  // namespace kfac
