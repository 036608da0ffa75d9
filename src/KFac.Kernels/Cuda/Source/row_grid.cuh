// Kernels that work row by row: a warp takes a short row, a block a long one (RowGrid.cs chooses).
#pragma once

#include "block_reduce.cuh"
#include "element_grid.cuh"

namespace kfac {

constexpr int row_threads = 256;  // of a block

struct WarpTeam {
    static constexpr int threads = 32;
    static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x) % 32; }
    static __device__ __forceinline__ int first_row() { return static_cast<int>(blockIdx.x * (row_threads / 32) + threadIdx.x / 32); }
    static __device__ __forceinline__ int row_step() { return static_cast<int>(gridDim.x) * (row_threads / 32); }
    static __device__ __forceinline__ void sync() { __syncwarp(); }
    template <typename T, typename Combine>
    static __device__ __forceinline__ T combine(T value, T, Combine combine) { return combine_warp(value, combine); }
};

struct BlockTeam {
    static constexpr int threads = row_threads;
    static __device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }
    static __device__ __forceinline__ int first_row() { return static_cast<int>(blockIdx.x); }
    static __device__ __forceinline__ int row_step() { return static_cast<int>(gridDim.x); }
    static __device__ __forceinline__ void sync() { __syncthreads(); }
    template <typename T, typename Combine>
    static __device__ __forceinline__ T combine(T value, T identity, Combine combine) { return combine_block(value, identity, combine); }
};

// Calls body(row) on all threads of the team that has the row.
template <typename Team, typename Body>
static __device__ __forceinline__ void for_each_row(const ElementRange& range, Body body) {
    for (int row = Team::first_row(); row < range.rows; row += Team::row_step()) {
        body(row);
    }
}

// Calls body(Width<W>(), column of the first of W elements); each column comes to the same thread every time.
template <typename Team, typename Body>
static __device__ __forceinline__ void for_each_in_row(const ElementRange& range, Body body) {
    int scalar = 0;
    if (range.pack == 4) {
        for (int column = 4 * Team::thread(); column + 4 <= range.columns; column += 4 * Team::threads) {
            body(Width<4>(), column);
        }

        scalar = range.columns / 4 * 4;
    }

    for (int column = scalar + Team::thread(); column < range.columns; column += Team::threads) {
        body(Width<1>(), column);
    }
}

}  // namespace kfac
