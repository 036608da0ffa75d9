// How a warp multiplies one slice of both factors out of shared memory, in four precisions.
//
// Precision::split, as accurate as float32. Every element is x = big + small exactly, big rounded to TF32's 11 bits. Over 8
// depths the tensor cores sum small·big, big·small and big·big into a fresh accumulator, and one rounded addition (tensor cores
// truncate) brings that into the running sum. With ε = 2⁻²⁴ the error of a result is at most, relative to Σ|a·b| over k depths,
//   2ε + 2ε     small keeps 11 of its at most 12 bits, in either factor
//   4ε          small·small is left out, |small| <= 2⁻¹¹|x|
//   20ε         the 9 terms of a tensor-core sum are each truncated at 2ε of the largest, and their sum too
//   kε/8        the running sum
// together (28 + k/8)ε, no more than float32's (k + 2)ε from k = 32 on. Shorter products take Precision::fma.
// An infinity has no small part: where there is one, sums turn NaN and are repaired (product_tile.cuh).
#pragma once

#include "product_operand.cuh"
#include "tensorcore.cuh"

namespace kfac {

// As MatrixPrecision.
enum class Precision { split, tf32, bf16, fma };

template <int Rows_, int Columns_, int WarpRows_, int WarpColumns_, int Stages_>
struct TileShape {
    static constexpr int Rows = Rows_, Columns = Columns_, WarpRows = WarpRows_, WarpColumns = WarpColumns_, Stages = Stages_;
    static constexpr int Threads = Rows / WarpRows * (Columns / WarpColumns) * 32;
    static constexpr int StageWords = (Rows + Columns) * slice_depth;
    static constexpr int SlabsA = WarpRows / slab_lines, SlabsB = WarpColumns / slab_lines;
    static constexpr int Sums = WarpRows * WarpColumns / 32;
    static_assert(Sums * Threads <= Stages * StageWords, "repair keeps a tile's sums in shared memory");
};

// The sums of a lane: [slab of rows][row 0..3][slab of columns][run of columns 0..1][column 0..3].
template <class Shape>
struct Sums {
    float at[Shape::SlabsA][4][Shape::SlabsB][2][4];
};

// Visits the sums with their index, in the order in which they are declared.
template <class Shape, class Body>
static __device__ __forceinline__ void for_each_sum(Sums<Shape>& sums, Body body) {
#pragma unroll
    for (int i = 0; i < Shape::Sums; ++i) {
        body(sums.at[i / (32 * Shape::SlabsB)][i / (8 * Shape::SlabsB) % 4][i / 8 % Shape::SlabsB][i / 4 % 2][i % 4], i);
    }
}

// Which rows and columns of the tile a lane's sums are.
template <class Shape>
struct LanePlace {
    int group, member, row, column;

    __device__ __forceinline__ LanePlace() {
        const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
        constexpr int across = Shape::Columns / Shape::WarpColumns;
        group = lane / 4;
        member = lane % 4;
        row = warp / across * Shape::WarpRows;
        column = warp % across * Shape::WarpColumns;
    }

    __device__ __forceinline__ int row_of(int slab, int i) const { return row + slab * slab_lines + 4 * place(group) + i; }
    __device__ __forceinline__ int column_of(int slab, int run) const { return column + slab * slab_lines + 16 * run + 4 * member; }
};

// Runs `body` on the four sums that one mma adds to: rows 2·pair and 2·pair + 1, runs 0 and 1.
template <class Shape, class Body>
static __device__ __forceinline__ void on_accumulator(Sums<Shape>& sums, int tile, int j, Body body) {
    auto& upper = sums.at[tile / 2][tile % 2 * 2][j / 4];
    auto& lower = sums.at[tile / 2][tile % 2 * 2 + 1][j / 4];
    float d[4] = {upper[0][j % 4], upper[1][j % 4], lower[0][j % 4], lower[1][j % 4]};
    body(d);
    upper[0][j % 4] = d[0];
    upper[1][j % 4] = d[1];
    lower[0][j % 4] = d[2];
    lower[1][j % 4] = d[3];
}

template <Precision P>
static __device__ __forceinline__ void convert(float x, unsigned& big, unsigned& small) {
    if constexpr (P == Precision::split) {
        big = (bits(x) + 0x1000u) & 0xffffe000u;
        small = bits(x - from_bits(big));
    } else {
        big = to_tf32(x);
        small = 0;
    }
}

// Depths 2·step and 2·step + 1 of every lane's four: eight of the warp's sixteen.
template <class Shape, Precision P, Along A, Along B>
static __device__ __forceinline__ void multiply_tf32(
    const Patch<A> (&a)[Shape::SlabsA], const Patch<B> (&b)[Shape::SlabsB], int step, Sums<Shape>& sums) {
    unsigned big_b[Shape::SlabsB * 4][2], small_b[Shape::SlabsB * 4][2];
#pragma unroll
    for (int e = 0; e < Shape::SlabsB * 8; ++e) {
        convert<P>(b[e / 8].at(e / 2 % 4, 2 * step + e % 2), big_b[e / 2][e % 2], small_b[e / 2][e % 2]);
    }

#pragma unroll
    for (int tile = 0; tile < Shape::SlabsA * 2; ++tile) {
        unsigned big_a[4], small_a[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            convert<P>(a[tile / 2].at(tile % 2 * 2 + e % 2, 2 * step + e / 2), big_a[e], small_a[e]);
        }

#pragma unroll
        for (int j = 0; j < Shape::SlabsB * 4; ++j) {
            on_accumulator<Shape>(sums, tile, j, [&](float(&d)[4]) {
                if constexpr (P == Precision::split) {
                    float fresh[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                    mma_m16n8k8_tf32(fresh, small_a, big_b[j]);
                    mma_m16n8k8_tf32(fresh, big_a, small_b[j]);
                    mma_m16n8k8_tf32(fresh, big_a, big_b[j]);
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        d[e] += fresh[e];
                    }
                } else {
                    mma_m16n8k8_tf32(d, big_a, big_b[j]);
                }
            });
        }
    }
}

// All sixteen depths.
template <class Shape, Along A, Along B>
static __device__ __forceinline__ void multiply_bf16(
    const Patch<A> (&a)[Shape::SlabsA], const Patch<B> (&b)[Shape::SlabsB], Sums<Shape>& sums) {
    unsigned pairs_b[Shape::SlabsB * 4][2];
#pragma unroll
    for (int e = 0; e < Shape::SlabsB * 8; ++e) {
        const int k = e % 2 * 2;
        pairs_b[e / 2][e % 2] = to_bf16_pair(b[e / 8].at(e / 2 % 4, k), b[e / 8].at(e / 2 % 4, k + 1));
    }

#pragma unroll
    for (int tile = 0; tile < Shape::SlabsA * 2; ++tile) {
        unsigned pairs_a[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int line = tile % 2 * 2 + e % 2, k = e / 2 * 2;
            pairs_a[e] = to_bf16_pair(a[tile / 2].at(line, k), a[tile / 2].at(line, k + 1));
        }

#pragma unroll
        for (int j = 0; j < Shape::SlabsB * 4; ++j) {
            on_accumulator<Shape>(sums, tile, j, [&](float(&d)[4]) { mma_m16n8k16_bf16(d, pairs_a, pairs_b[j]); });
        }
    }
}

// Four depths, the same for all lanes, and every lane its own sums.
template <class Shape, Along A, Along B>
static __device__ __forceinline__ void multiply_fma(const float* tile_a, const float* tile_b, const LanePlace<Shape>& lane, int k, Sums<Shape>& sums) {
    Patch<A> a[Shape::SlabsA];
    Patch<B> b[Shape::SlabsB][2];
#pragma unroll
    for (int s = 0; s < Shape::SlabsA; ++s) {
        a[s].template load<Shape::Rows>(tile_a, lane.row_of(s, 0), k);
    }

#pragma unroll
    for (int s = 0; s < Shape::SlabsB * 2; ++s) {
        b[s / 2][s % 2].template load<Shape::Columns>(tile_b, lane.column_of(s / 2, s % 2), k);
    }

#pragma unroll
    for (int e = 0; e < 4; ++e) {
#pragma unroll
        for (int s = 0; s < Shape::SlabsA * 4; ++s) {
#pragma unroll
            for (int j = 0; j < Shape::SlabsB * 8; ++j) {
                float& sum = sums.at[s / 4][s % 4][j / 8][j / 4 % 2][j % 4];
                sum = fma(a[s / 4].at(s % 4, e), b[j / 8][j / 4 % 2].at(j % 4, e), sum);
            }
        }
    }
}

// One slice of 32 depths.
template <class Shape, Precision P, Along A, Along B>
static __device__ __forceinline__ void multiply_slice(const float* tile_a, const float* tile_b, const LanePlace<Shape>& lane, Sums<Shape>& sums) {
    if constexpr (P == Precision::fma) {
#pragma unroll 1
        for (int k = 0; k < slice_depth; k += 4) {
            multiply_fma<Shape, A, B>(tile_a, tile_b, lane, k, sums);
        }
    } else {
#pragma unroll 1
        for (int half = 0; half < slice_depth; half += 16) {
            const int k = half + 4 * lane.member;
            Patch<A> a[Shape::SlabsA];
            Patch<B> b[Shape::SlabsB];
#pragma unroll
            for (int s = 0; s < Shape::SlabsA; ++s) {
                a[s].template load<Shape::Rows>(tile_a, lane.row_of(s, 0), k);
            }

#pragma unroll
            for (int s = 0; s < Shape::SlabsB; ++s) {
                b[s].template load<Shape::Columns>(tile_b, lane.column + s * slab_lines + 4 * place(lane.group), k);
            }

            if constexpr (P == Precision::bf16) {
                multiply_bf16<Shape, A, B>(a, b, sums);
            } else {
                multiply_tf32<Shape, P, A, B>(a, b, 0, sums);
                multiply_tf32<Shape, P, A, B>(a, b, 1, sums);
            }
        }
    }
}

}  // namespace kfac
