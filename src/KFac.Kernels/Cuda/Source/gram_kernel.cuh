// The lower triangle of XᵀX: what the kernels of gram*.cu are made of. A block computes a tile over a range of rows of X, which
// both of its factors are. A column of ones is not multiplied: its products are sums of columns, which the blocks on the
// diagonal take from the rows that they hold anyway.
#pragma once

#include "product_tile.cuh"
#include "triangle.cuh"

struct GramKernelArguments {
    const float* x;
    float* parts;        // [batch, ranges, columns, part_stride]; the lower triangle's tiles are written
    float* column_sums;  // [batch, ranges, columns], or null
    long long x_stride, part_stride, part_size;
    long long x_batch;  // elements from one matrix of the batch to the next; their parts follow each other
    float* gram;         // where there is one range and no column of ones, the result itself: both triangles of alpha·XᵀX + beta·gram; else null
    long long gram_stride, gram_batch;
    int rows, columns;
    int part_depth;  // rows of a range, a multiple of 32
    int aligned;     // whether rows start at multiples of 16 bytes: 1 of x, 2 of gram
    float alpha, beta;
};

namespace kfac {

// Sums of the columns of the slices of a factor that lies along its lines.
template <class Shape, class Words = PatchWords<Along::lines, Shape::Rows>>
struct ColumnSums {
    static constexpr int groups = Shape::Threads / Shape::Rows;

    int column, group;
    float sum;

    __device__ __forceinline__ ColumnSums()
        : column(static_cast<int>(threadIdx.x) % Shape::Rows), group(static_cast<int>(threadIdx.x) / Shape::Rows), sum(0.0f) {}

    __device__ __forceinline__ void add(const float* tile) {
        constexpr int rows = slice_depth / groups;
#pragma unroll 4
        for (int row = group * rows; row < (group + 1) * rows; ++row) {
            sum += tile[Words::at(row, column / 4) + column % 4];
        }
    }

    __device__ __forceinline__ void store(float* shared, float* to, int columns) const {
        shared[threadIdx.x] = sum;
        __syncthreads();
        if (group == 0 && column < columns) {
            float total = sum;
#pragma unroll
            for (int i = 1; i < groups; ++i) {
                total += shared[i * Shape::Rows + column];
            }

            to[column] = total;
        }
    }
};

// Stores a tile of the lower triangle and its mirror image. A lane has blocks of 4×4 sums: four runs of either.
template <class Shape>
static __device__ __forceinline__ void store_symmetric(const Sums<Shape>& sums, const Result& result, float* mirror, bool diagonal) {
    const LanePlace<Shape> lane;
#pragma unroll
    for (int part = 0; part < Shape::SlabsA * Shape::SlabsB * 2; ++part) {
        const int slab = part / (Shape::SlabsB * 2), run = part % (Shape::SlabsB * 2);
        const int row = lane.row_of(slab, 0), column = lane.column_of(run / 2, run % 2);
        if (row >= result.rows || column >= result.columns || (diagonal && row < column)) {
            continue;
        }

        const bool whole = result.aligned && row + 4 <= result.rows && column + 4 <= result.columns && !(diagonal && row == column);
        float values[4][4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float(&own)[4] = sums.at[slab][i][run / 2][run % 2];
            float* const to = result.c + (row + i) * result.stride + column;
            if (whole) {
                const float4 old = result.beta == 0.0f ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : *reinterpret_cast<const float4*>(to);
                values[i][0] = result.combine(own[0], old.x);
                values[i][1] = result.combine(own[1], old.y);
                values[i][2] = result.combine(own[2], old.z);
                values[i][3] = result.combine(own[3], old.w);
                *reinterpret_cast<float4*>(to) = make_float4(values[i][0], values[i][1], values[i][2], values[i][3]);
                continue;
            }

#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const bool exists = row + i < result.rows && column + j < result.columns && !(diagonal && row + i < column + j);
                if (exists) {
                    const float value = result.combine(own[j], result.beta == 0.0f ? 0.0f : to[j]);
                    to[j] = value;
                    mirror[(column + j) * result.stride + row + i] = value;
                }
            }
        }

        if (whole) {
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                *reinterpret_cast<float4*>(mirror + (column + j) * result.stride + row) =
                    make_float4(values[0][j], values[1][j], values[2][j], values[3][j]);
            }
        }
    }
}

template <class Shape, Precision P>
static __device__ __forceinline__ void gram(const GramKernelArguments& args, float* shared) {
    static_assert(Shape::Rows == Shape::Columns, "tiles of the triangle are square");
    int row, column;
    find_triangle_tile(static_cast<int>(blockIdx.x), row, column);
    row *= Shape::Rows;
    column *= Shape::Columns;
    const bool diagonal = row == column;
    const int range = static_cast<int>(blockIdx.y), first = range * args.part_depth;
    const int depth = min(args.part_depth, args.rows - first);
    using Operand = StridedOperand<Along::lines, Shape::Rows, Shape::Threads>;
    const long long batch = blockIdx.z, slot = batch * gridDim.y + range;
    const float* const x = args.x + batch * args.x_batch + first * args.x_stride;
    const Operand a{x + row, args.x_stride, args.columns - row, depth, (args.aligned & 1) != 0};
    const Operand b{x + column, args.x_stride, args.columns - column, depth, (args.aligned & 1) != 0};
    const LanePlace<Shape> lane;
    const bool above = diagonal && lane.column >= lane.row + Shape::WarpRows;
    const bool active = lane.row < a.lines && lane.column < b.lines && !above;
    const bool with_sums = diagonal && args.column_sums != nullptr;
    ColumnSums<Shape> column_sums;
    Sums<Shape> sums = {};
    multiply_slices<Shape, P>(shared, a, b, (depth + slice_depth - 1) / slice_depth, diagonal, active, sums, [&](const float* tile) {
        if (with_sums) {
            column_sums.add(tile);
        }
    });
    if constexpr (P == Precision::split) {
        repair<Shape>(shared, a, b, sums);
    }

    if (args.gram != nullptr) {
        float* const matrix = args.gram + batch * args.gram_batch;
        store_symmetric<Shape>(
            sums,
            Result{matrix + row * args.gram_stride + column, args.gram_stride, a.lines, b.lines, args.alpha, args.beta, (args.aligned & 2) != 0},
            matrix + column * args.gram_stride + row, diagonal);
        return;
    }

    float* const part = args.parts + slot * args.part_size + row * args.part_stride + column;
    store_tile<Shape>(sums, Result{part, args.part_stride, a.lines, b.lines, 1.0f, 0.0f, true});
    if (with_sums) {
        __syncthreads();
        column_sums.store(shared, args.column_sums + slot * args.columns + row, a.lines);
    }
}

}  // namespace kfac

// Kernels gram_<precision>_<size>.
#define KFAC_GRAM(precision, size)                                                                                   \
    KFAC_KERNEL(gram_##precision##_##size, GramKernelArguments, kfac::Shapes<kfac::Precision::precision>::size::Threads) { \
        KFAC_DYNAMIC_SHARED(float, shared);                                                                          \
        kfac::gram<kfac::Shapes<kfac::Precision::precision>::size, kfac::Precision::precision>(args, shared);        \
    }
#define KFAC_GRAMS(precision)   \
    KFAC_GRAM(precision, large) \
    KFAC_GRAM(precision, small)
