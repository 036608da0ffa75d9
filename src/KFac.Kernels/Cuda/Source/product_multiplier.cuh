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

// The right factor of 16 depths as the tensor cores take it: [column tile][step of 8 depths][register].
template <class Shape>
struct RightParts {
    unsigned big[Shape::SlabsB * 4][2][2], small[Shape::SlabsB * 4][2][2];
};

template <class Shape, Precision P, Along B>
static __device__ __forceinline__ void convert_right(const Patch<B>& b, int slab, RightParts<Shape>& parts) {
#pragma unroll
    for (int e = 0; e < 16; ++e) {
        const int j = e / 4, step = e / 2 % 2, k = 2 * step + e % 2;
        convert<P>(b.at(j, k), parts.big[slab * 4 + j][step][e % 2], parts.small[slab * 4 + j][step][e % 2]);
    }
}

// 32 rows by all columns. A lane's depths 2·step and 2·step + 1 make a step: eight of the warp's sixteen.
template <class Shape, Precision P, Along A>
static __device__ __forceinline__ void multiply_tf32(const Patch<A>& a, int slab, const RightParts<Shape>& b, Sums<Shape>& sums) {
#pragma unroll
    for (int part = 0; part < 4; ++part) {
        const int step = part / 2, pair = part % 2;
        unsigned big_a[4], small_a[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            convert<P>(a.at(pair * 2 + e % 2, 2 * step + e / 2), big_a[e], small_a[e]);
        }

#pragma unroll
        for (int j = 0; j < Shape::SlabsB * 4; ++j) {
            on_accumulator<Shape>(sums, slab * 2 + pair, j, [&](float(&d)[4]) {
                if constexpr (P == Precision::split) {
                    float fresh[4] = {0.0f, 0.0f, 0.0f, 0.0f};
                    mma_m16n8k8_tf32(fresh, small_a, b.big[j][step]);
                    mma_m16n8k8_tf32(fresh, big_a, b.small[j][step]);
                    mma_m16n8k8_tf32(fresh, big_a, b.big[j][step]);
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        d[e] += fresh[e];
                    }
                } else {
                    mma_m16n8k8_tf32(d, big_a, b.big[j][step]);
                }
            });
        }
    }
}

template <Along B>
static __device__ __forceinline__ void convert_right_bf16(const Patch<B>& b, unsigned (*pairs)[2]) {
#pragma unroll
    for (int e = 0; e < 8; ++e) {
        const int k = e % 2 * 2;
        pairs[e / 2][e % 2] = to_bf16_pair(b.at(e / 2, k), b.at(e / 2, k + 1));
    }
}

// 32 rows by all columns, all sixteen depths.
template <class Shape, Along A>
static __device__ __forceinline__ void multiply_bf16(
    const Patch<A>& a, int slab, const unsigned (&b)[Shape::SlabsB * 4][2], Sums<Shape>& sums) {
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
        unsigned pairs_a[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int line = pair * 2 + e % 2, k = e / 2 * 2;
            pairs_a[e] = to_bf16_pair(a.at(line, k), a.at(line, k + 1));
        }

#pragma unroll
        for (int j = 0; j < Shape::SlabsB * 4; ++j) {
            on_accumulator<Shape>(sums, slab * 2 + pair, j, [&](float(&d)[4]) { mma_m16n8k16_bf16(d, pairs_a, b[j]); });
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
            [[maybe_unused]] RightParts<Shape> parts;
            [[maybe_unused]] unsigned pairs[Shape::SlabsB * 4][2];
#pragma unroll
            for (int s = 0; s < Shape::SlabsB; ++s) {
                Patch<B> b;
                b.template load<Shape::Columns>(tile_b, lane.column + s * slab_lines + 4 * place(lane.group), k);
                if constexpr (P == Precision::bf16) {
                    convert_right_bf16(b, pairs + s * 4);
                } else {
                    convert_right<Shape, P>(b, s, parts);
                }
            }

#pragma unroll
            for (int s = 0; s < Shape::SlabsA; ++s) {
                Patch<A> a;
                a.template load<Shape::Rows>(tile_a, lane.row_of(s, 0), k);
                if constexpr (P == Precision::bf16) {
                    multiply_bf16<Shape>(a, s, pairs, sums);
                } else {
                    multiply_tf32<Shape, P>(a, s, parts, sums);
                }
            }
        }
    }
}

}  // namespace kfac
