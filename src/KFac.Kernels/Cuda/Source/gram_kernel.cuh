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
    int rows, columns;
    int part_depth;  // rows of a range, a multiple of 32
    int aligned;     // whether rows of x start at multiples of 16 bytes
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
    const Operand a{x + row, args.x_stride, args.columns - row, depth, args.aligned != 0};
    const Operand b{x + column, args.x_stride, args.columns - column, depth, args.aligned != 0};
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
