// A block's 128×128 tile of a product on Hopper's warpgroup tensor cores, as accurate as float32 (Precision::split of
// product_multiplier.cuh): two warpgroups of 64 rows each.
//
// The left factor goes from shared memory to registers and is split there. TF32 wants the right factor depth by depth in shared
// memory, in two parts, so threads split and transpose the next slice while the tensor cores multiply this one. Which depths
// make a step of eight is free; a step takes from every four depths the same two, so that both factors are read in chunks.
// A slice of 32 depths sums small·big, big·small and then big·big into fresh accumulators, which are added to the running sums:
// (88 + k/32)ε by the count of product_multiplier.cuh, no more than float32's bound from k = 96 on.
//
// Shared memory: two slices of the split right factor (64 KB), three of both factors as they come (96 KB). By count a slice takes
// 1536 cycles of the tensor cores, which read the right factor at half of shared memory's rate; copies, fragments and splitting
// take another 96 KB of its 98. Registers, counted in the PTX: 220 to 231, of them 64 sums, 64 accumulators and 32 parts.
// None of this has run on a GPU yet: CudaDevice takes it only where it is asked for. To measure first: the gap between the slices'
// products (two barriers, 64 additions and 48 operations of splitting), against one barrier and warpgroups out of step.
#pragma once

#include "product_tile.cuh"
#include "warpgroup.cuh"

namespace kfac {

struct WarpgroupTile {
    static constexpr int Rows = 128, Columns = 128, Threads = 256, Stages = 3, Sums = 64;
    static constexpr int PartWords = Columns * slice_depth, StageWords = (Rows + Columns) * slice_depth;
};

// Where chunks lie so that fragments of two lines a lane meet no bank twice.
template <Along A, int Lines>
struct LeftWords {
    static __device__ __forceinline__ int at(int row, int chunk) {
        return A == Along::lines ? row * Lines + 4 * (chunk ^ (((row >> 2) & 3) << 1)) : row * slice_depth + 4 * (chunk ^ (((row >> 1) & 1) << 2));
    }
};

// Where chunks lie so that neither reading for the split nor copying does.
template <Along A, int Lines>
struct RightWords {
    static __device__ __forceinline__ int at(int row, int chunk) { return A == Along::lines ? row * Lines + 4 * chunk : row * slice_depth + 4 * (chunk ^ (row & 7)); }
};

// The two lines of a lane: 16·warp + 2·group on.
static __device__ __forceinline__ int warpgroup_line(int thread) { return thread / 32 * 16 + thread % 32 / 4 * 2; }

// A lane's part of the left factor: [half of the slice][depth 4·member + 0..3 of it][line 0..1].
template <Along A>
struct LeftFragment {
    float at[2][4][2];

    __device__ __forceinline__ void load(const float* tile) {
        using Words = LeftWords<A, WarpgroupTile::Rows>;
        const int thread = thread_again(), line = warpgroup_line(thread), member = thread % 4;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            if constexpr (A == Along::lines) {
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float2 pair = *reinterpret_cast<const float2*>(tile + Words::at(16 * half + 4 * member + k, line / 4) + line % 4);
                    at[half][k][0] = pair.x;
                    at[half][k][1] = pair.y;
                }
            } else {
#pragma unroll
                for (int e = 0; e < 2; ++e) {
                    const float4 word = *reinterpret_cast<const float4*>(tile + Words::at(line + e, 4 * half + member));
                    at[half][0][e] = word.x;
                    at[half][1][e] = word.y;
                    at[half][2][e] = word.z;
                    at[half][3][e] = word.w;
                }
            }
        }
    }
};

static __device__ __forceinline__ float element(const float4& word, int e) { return e == 0 ? word.x : e == 1 ? word.y : e == 2 ? word.z : word.w; }

// Splits four depths of a column, 16 to 28 apart by fours, into a chunk of either part.
static __device__ __forceinline__ void store_parts(float* parts, int column, int chunk, float x, float y, float z, float w) {
    unsigned big[4], small[4];
    convert<Precision::split>(x, big[0], small[0]);
    convert<Precision::split>(y, big[1], small[1]);
    convert<Precision::split>(z, big[2], small[2]);
    convert<Precision::split>(w, big[3], small[3]);
    float* const to = parts + column * slice_depth + 4 * (chunk ^ (column & 7));
    *reinterpret_cast<uint4*>(to) = make_uint4(big[0], big[1], big[2], big[3]);
    *reinterpret_cast<uint4*>(to + WarpgroupTile::PartWords) = make_uint4(small[0], small[1], small[2], small[3]);
}

// The right factor's slice, split and transposed. Chunk 4·half + s of a column holds its depths 16·half + s + 0, 4, 8 and 12.
template <Along B>
static __device__ __forceinline__ void split_right(const float* tile, float* parts) {
    using Words = RightWords<B, WarpgroupTile::Columns>;
    const int thread = thread_again();
    float4 words[4];
    if constexpr (B == Along::lines) {
        const int lines = thread % 32, chunk = (thread % 8) ^ (thread / 32);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            words[i] = *reinterpret_cast<const float4*>(tile + Words::at(chunk / 4 * 16 + 4 * i + chunk % 4, lines));
        }

#pragma unroll
        for (int e = 0; e < 4; ++e) {
            store_parts(parts, 4 * lines + e, chunk, element(words[0], e), element(words[1], e), element(words[2], e), element(words[3], e));
        }
    } else {
        const int column = thread % 128, half = thread / 128;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            words[i] = *reinterpret_cast<const float4*>(tile + Words::at(column, 4 * half + i));
        }

#pragma unroll
        for (int e = 0; e < 4; ++e) {
            store_parts(parts, column, 4 * half + e, element(words[0], e), element(words[1], e), element(words[2], e), element(words[3], e));
        }
    }
}

// Starts the products of a slice into fresh accumulators.
template <Along A>
static __device__ __forceinline__ void start_slice(const LeftFragment<A>& left, const float* parts, float (&fresh)[64]) {
    const MatrixDescriptor big_b = describe(parts), small_b = describe(parts + WarpgroupTile::PartWords);
    unsigned big_a[4][4], small_a[4][4];
#pragma unroll
    for (int e = 0; e < 16; ++e) {
        const int step = e / 4, k = step % 2 * 2 + e % 4 / 2;
        convert<Precision::split>(left.at[step / 2][k][e % 2], big_a[step][e % 4], small_a[step][e % 4]);
    }

    hold(fresh);
    start_products();
#pragma unroll
    for (int step = 0; step < 4; ++step) {
        multiply_async(fresh, small_a[step], step_depth(big_b, step), step > 0);
    }

#pragma unroll
    for (int step = 0; step < 4; ++step) {
        multiply_async(fresh, big_a[step], step_depth(small_b, step), true);
    }

#pragma unroll
    for (int step = 0; step < 4; ++step) {
        multiply_async(fresh, big_a[step], step_depth(big_b, step), true);
    }

    commit_products();
}

// As multiply_slices of product_tile.cuh, with at least one slice.
template <class OperandA, class OperandB, class Observer>
static __device__ __forceinline__ void multiply_slices_warpgroup(
    float* shared, const OperandA& a, const OperandB& b, int slices, float (&sums)[64], Observer observe) {
    using Tile = WarpgroupTile;
    const auto parts = [&](int slice) { return shared + slice % 2 * 2 * Tile::PartWords; };
    const auto tile_a = [&](int slice) { return shared + 4 * Tile::PartWords + slice % Tile::Stages * Tile::StageWords; };
    const auto tile_b = [&](int slice) { return tile_a(slice) + Tile::Rows * slice_depth; };
    const auto stage = [&](int slice) {
        if (slice < slices) {
            a.stage(tile_a(slice), slice);
            b.stage(tile_b(slice), slice);
        }

        commit_copies();
    };
    LeftFragment<OperandA::along> left;
    const auto prepare = [&](int slice) {
        wait_copies<1>();
        __syncthreads();
        observe(tile_a(slice));
        left.load(tile_a(slice));
        split_right<OperandB::along>(tile_b(slice), parts(slice));
        publish_shared();
    };
    float fresh[64];
    stage(0);
    stage(1);
    prepare(0);
    for (int slice = 0; slice < slices; ++slice) {
        __syncthreads();
        stage(slice + 2);
        start_slice(left, parts(slice), fresh);
        if (slice + 1 < slices) {
            prepare(slice + 1);
        }

        finish_products();
        hold(fresh);
#pragma unroll
        for (int i = 0; i < 64; ++i) {
            sums[i] += fresh[i];
        }
    }

    wait_copies<0>();
    __syncthreads();
}

// Row and column of a lane's sum in the tile.
static __device__ __forceinline__ void locate_warpgroup_sum(int index, int& row, int& column) {
    row = warpgroup_line(static_cast<int>(threadIdx.x)) + index / 2 % 2;
    column = index / 4 * 8 + static_cast<int>(threadIdx.x) % 4 * 2 + index % 2;
}

static __device__ __forceinline__ void store_warpgroup_tile(const float (&sums)[64], const Result& result) {
#pragma unroll
    for (int i = 0; i < 32; ++i) {
        int row, column;
        locate_warpgroup_sum(2 * i, row, column);
        result.store_pair(row, column, sums[2 * i], sums[2 * i + 1]);
    }
}

}  // namespace kfac
