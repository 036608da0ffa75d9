// One factor of a tiled product: how a slice of it comes from global memory, lies in shared memory and reaches registers.
//
// A factor has lines (rows of the left one, columns of the right one) and depth (what is summed over). It is stored along
// either: `lines` means that neighbouring lines are neighbours in memory (XᵀX, both factors), `depth` that neighbouring depths
// are (A·Bᵀ). A slice of 32 depths lies in shared memory as it is stored, in chunks of 16 bytes, permuted so that neither the
// copies nor the fragments meet a bank twice:
//   lines    word (line, k) at k·Lines + 4·((line / 4) ^ (k / 4 % 4)) + line % 4
//   depth    word (line, k) at line·32 + 4·((k / 4) ^ (line / 16 % 2 · 4)) + k % 4
//
// Fragments: what a product sums first and which register row is which line are free as long as both factors and the result
// agree. A lane (g = lane / 4, t = lane % 4) takes from 32 lines and 16 depths the four lines from 4·place(g) on and the four
// depths from 4t on: four 16-byte loads whichever way the factor is stored, without ldmatrix or transposition.
#pragma once

#include "async_copy.cuh"

namespace kfac {

enum class Along { lines, depth };

constexpr int slice_depth = 32;
constexpr int slab_lines = 32;

// Where the four lines of lane group g start, divided by 4. Neighbouring groups are 16 lines apart, so that the two columns
// of a result that a lane holds side by side (2t, 2t + 1) belong to two runs of four columns, each 64 bytes wide over a warp.
static __device__ __forceinline__ int place(int group) { return (group >> 1) | ((group & 1) << 2); }

template <Along A, int Lines>
static __device__ __forceinline__ int chunk_word(int row, int chunk) {
    return A == Along::lines ? row * Lines + 4 * (chunk ^ ((row >> 2) & 3)) : row * slice_depth + 4 * (chunk ^ (((row >> 4) & 1) << 2));
}

// The thread's number, hidden from the compiler: what follows from it is computed again where it is wanted, a few operations,
// instead of being held in registers through the whole product. The mask says what is known of it: quotients are shifts.
static __device__ __forceinline__ int thread_again() {
    int thread = static_cast<int>(threadIdx.x);
    asm volatile("" : "+r"(thread));
    return thread & 1023;
}

// Where chunks of a slice lie, for Patch.
template <Along A, int Lines>
struct PatchWords {
    static __device__ __forceinline__ int at(int row, int chunk) { return chunk_word<A, Lines>(row, chunk); }
};

// Four elements, of which the first `count` exist, and zeros.
static __device__ __forceinline__ void copy_chunk(float* target, const float* source, int count, bool aligned) {
    if (aligned) {
        copy_async16_first(target, source, 4 * count);
        return;
    }

#pragma unroll
    for (int e = 0; e < 4; ++e) {
        copy_async4(target + e, source + (e < count ? e : 0), e < count);
    }
}

// A factor in rows of equal distance; `source` is the first line at the first depth.
template <Along A, int Lines, int Threads, class Words = PatchWords<A, Lines>>
struct StridedOperand {
    static constexpr Along along = A;

    const float* source;
    long long stride;
    int lines;
    int depth;
    bool aligned;

    // A thread takes one chunk of neighbouring rows (of distant ones along depth), so that addresses differ by constants.
    __device__ __forceinline__ void stage(float* tile, int slice) const {
        constexpr int chunks = A == Along::lines ? Lines / 4 : slice_depth / 4;
        constexpr int passes = Lines * slice_depth / 4 / Threads;
        constexpr int row_step = A == Along::lines ? 1 : Threads / chunks;
        const int thread = thread_again(), chunk = thread % chunks;
        const int row = thread / chunks * (A == Along::lines ? passes : 1);
        const int first_row = row + (A == Along::lines ? slice * slice_depth : 0);
        const int column = 4 * chunk + (A == Along::lines ? 0 : slice * slice_depth);
        const int rows = (A == Along::lines ? depth : lines) - first_row;
        const int count = max(0, min(4, (A == Along::lines ? lines : depth) - column));
        const float* from = source + first_row * stride + column;
        if (aligned && lines >= Lines && (slice + 1) * slice_depth <= depth) {
#pragma unroll
            for (int i = 0; i < passes; ++i) {
                copy_async16(tile + Words::at(row + i * row_step, chunk), from, true);
                from += row_step * stride;
            }

            return;
        }

#pragma unroll
        for (int i = 0; i < passes; ++i) {
            const bool valid = i * row_step < rows && count > 0;
            copy_chunk(tile + Words::at(row + i * row_step, chunk), valid ? from : source, valid ? count : 0, aligned);
            from += row_step * stride;
        }
    }

    __device__ __forceinline__ float at(int line, int k) const { return source[A == Along::lines ? k * stride + line : line * stride + k]; }
};

// Four lines and four depths, both from multiples of four on.
template <Along A>
struct Patch {
    float4 words[4];

    template <int Lines>
    __device__ __forceinline__ void load(const float* tile, int line, int k) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int word = A == Along::lines ? chunk_word<A, Lines>(k + i, line / 4) : chunk_word<A, Lines>(line + i, k / 4);
            words[i] = *reinterpret_cast<const float4*>(tile + word);
        }
    }

    __device__ __forceinline__ float at(int line, int k) const {
        const float4 word = words[A == Along::lines ? k : line];
        const int e = A == Along::lines ? line : k;
        return e == 0 ? word.x : e == 1 ? word.y : e == 2 ? word.z : word.w;
    }
};

}  // namespace kfac
