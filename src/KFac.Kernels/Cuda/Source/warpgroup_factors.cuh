// The factors of a product by warpgroups: how bulk copies bring slices of 32 depths of them, and how these become what the tensor cores
// take: of the left factor registers, of the right one shared memory, in TF32 depth by depth, in two parts where it is split.
//
// Which depths make a step of eight is free as long as both factors agree. Chunk q of a column's 8 (4 of a step's 8 depths) holds the
// depths 8·(q & 1) + 16·(q >> 2) + (q >> 1 & 1) + 0, 2, 4, 6: then neither fragments nor the splitting meet a bank twice,
// whichever way the factors are stored (copied boxes: bulk_copy.cuh).
#pragma once

#include "product_tile.cuh"
#include "warpgroup.cuh"

namespace kfac {

// Rows by Columns of the result; what lies in dynamic shared memory, in words from its start.
template <Precision P, int Columns_>
struct WarpgroupTile {
    static_assert(P == Precision::split || P == Precision::tf32);
    static constexpr int Rows = 128, Columns = Columns_, Halves = Columns / 128;
    static constexpr int Helpers = 128, Workers = 256, Threads = Helpers + Workers;
    static constexpr int HelperRegisters = 72, WorkerRegisters = 216;  // 384 threads start with 168
    static constexpr int Parts = P == Precision::split ? 2 : 1;        // of an element of the right factor
    static constexpr int Ahead = Columns == 128 ? 3 : 2;
    static constexpr int PartSlots = 2, LeftSlots = Ahead + PartSlots, RightSlots = Ahead + 1;
    static constexpr int LeftWords = Rows * slice_depth, RightWords = Columns * slice_depth, PartWords = Parts * RightWords;
    static constexpr int LeftAt = 0, RightAt = LeftAt + LeftSlots * LeftWords, PartAt = RightAt + RightSlots * RightWords;
    static constexpr int ColumnSumsAt = PartAt + PartSlots * PartWords, BarriersAt = ColumnSumsAt + 4 * Helpers;
    static constexpr int Barriers = LeftSlots + 2 * PartSlots, Words = BarriersAt + 2 * Barriers;
    static_assert(Words * 4 <= 227 * 1024, "a multiprocessor's shared memory");
    static_assert(64 * Threads <= ColumnSumsAt, "repair keeps a tile's sums in shared memory");
};

// A factor as bulk copies bring it, and as `repair` reads it: `source` is the first line at the first depth, which are line and
// depth `first_line` and `first_depth` of matrix `matrix` of the map.
template <Along A>
struct BoxOperand {
    static constexpr Along along = A;

    const TensorMap* map;
    int first_line, first_depth, matrix;
    const float* source;
    long long stride;
    int lines, depth;

    // `count` lines, a multiple of 32.
    __device__ __forceinline__ void copy(float* tile, int count, int slice, Barrier* barrier) const {
        if constexpr (A == Along::lines) {
            for (int line = 0; line < count; line += 32) {
                copy_box(tile + line * slice_depth, map, first_line + line, first_depth + slice * slice_depth, matrix, barrier);
            }
        } else {
            for (int line = 0; line < count; line += 128) {
                copy_box(tile + line * slice_depth, map, first_depth + slice * slice_depth, first_line + line, matrix, barrier);
            }
        }
    }

    __device__ __forceinline__ float at(int line, int k) const { return source[A == Along::lines ? k * stride + line : line * stride + k]; }
};

// Where four elements from a multiple of four on lie in copied boxes.
template <Along A>
static __device__ __forceinline__ int box_word(int line, int k) {
    return A == Along::lines ? line / 32 * 1024 + k * 32 + 4 * ((line / 4 % 8) ^ (k % 8)) : line * 32 + 4 * ((k / 4) ^ (line % 8));
}

// The two lines of a worker's lane: 16·warp + 2·group on.
static __device__ __forceinline__ int worker_line(int worker) { return worker / 32 * 16 + worker % 32 / 4 * 2; }

static __device__ __forceinline__ float element(const float4& word, int e) { return e == 0 ? word.x : e == 1 ? word.y : e == 2 ? word.z : word.w; }

// A lane's elements of the left factor's slice: [step][register of the product].
template <Along A>
struct LeftFragment {
    float at[4][4];

    __device__ __forceinline__ void load(const float* tile) {
        const int worker = (thread_again() - 128) & 255, line = worker_line(worker), member = worker % 4;
#pragma unroll
        for (int step = 0; step < 4; ++step) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                // Depths 2·member and 2·member + 1 of the eight are those of steps 2·(step / 2) and the next.
                const int first = 16 * (step / 2) + 8 * half + 2 * member;
                if constexpr (A == Along::lines) {
                    const float2 pair = *reinterpret_cast<const float2*>(tile + box_word<A>(line, first + step % 2) + line % 4);
                    at[step][2 * half] = pair.x;
                    at[step][2 * half + 1] = pair.y;
                } else {
                    // Here `step % 2` counts the two lines.
                    const float2 pair = *reinterpret_cast<const float2*>(tile + box_word<A>(line + step % 2, first) + first % 4);
                    at[step - step % 2][2 * half + step % 2] = pair.x;
                    at[step - step % 2 + 1][2 * half + step % 2] = pair.y;
                }
            }
        }
    }
};

// Four depths of a column become a chunk of each part.
template <class Tile, Precision P>
static __device__ __forceinline__ void store_parts(float* parts, int column, int chunk, float x, float y, float z, float w) {
    unsigned big[4], small[4];
    convert<P>(x, big[0], small[0]);
    convert<P>(y, big[1], small[1]);
    convert<P>(z, big[2], small[2]);
    convert<P>(w, big[3], small[3]);
    float* const to = parts + column * slice_depth + 4 * (chunk ^ (column & 7));
    *reinterpret_cast<uint4*>(to) = make_uint4(big[0], big[1], big[2], big[3]);
    if constexpr (P == Precision::split) {
        *reinterpret_cast<uint4*>(to + Tile::RightWords) = make_uint4(small[0], small[1], small[2], small[3]);
    }
}

// The right factor's slice by the helpers. `sums` are four columns', of the depths that this helper sees (factors along lines).
template <class Tile, Precision P, Along B>
static __device__ __forceinline__ void make_parts(const float* tile, float* parts, bool with_sums, float (&sums)[4]) {
    const int helper = thread_again();
    if constexpr (B == Along::lines) {
#pragma unroll 2
        for (int pass = 0; pass < 2 * Tile::Halves; ++pass) {
            const int lines = pass / 2 * 32 + helper % 32, chunk = (helper % 8) ^ (helper / 32 + pass % 2 * 4);
            const int first = 8 * (chunk & 1) + 16 * (chunk >> 2) + (chunk >> 1 & 1);
            float4 words[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                words[i] = *reinterpret_cast<const float4*>(tile + box_word<B>(4 * lines, first + 2 * i));
            }

#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const float x = element(words[0], e), y = element(words[1], e), z = element(words[2], e), w = element(words[3], e);
                store_parts<Tile, P>(parts, 4 * lines + e, chunk, x, y, z, w);
                if (Tile::Halves == 1 && with_sums) {
                    sums[e] += (x + y) + (z + w);
                }
            }
        }
    } else {
#pragma unroll 2
        for (int pass = 0; pass < 4 * Tile::Halves; ++pass) {
            const int column = pass / 4 * 128 + helper, eight = pass % 4;
            const float4 low = *reinterpret_cast<const float4*>(tile + box_word<B>(column, 8 * eight));
            const float4 high = *reinterpret_cast<const float4*>(tile + box_word<B>(column, 8 * eight + 4));
            const int chunk = eight % 2 + eight / 2 * 4;
            store_parts<Tile, P>(parts, column, chunk, low.x, low.z, high.x, high.z);
            store_parts<Tile, P>(parts, column, chunk + 2, low.y, low.w, high.y, high.w);
        }
    }
}

}  // namespace kfac
