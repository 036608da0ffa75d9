// A block's tile of a product: slices of both factors stream through shared memory, warps multiply them.
//
// A block computes Rows × Columns results, a warp WarpRows × WarpColumns of them, while the next slices of 32 depths are on
// their way (cp.async, `Stages` slices in shared memory). A lane holds WarpRows·WarpColumns/32 sums.
//
// Registers, counted as the 32-bit values that are alive at once in the PTX: 168 to 185 for split at 128×128, so one block of 256
// threads and 96 KB of shared memory a multiprocessor; 213 to 225 for tf32 and 209 for bf16, two blocks of 128 threads where shared
// memory holds them; 140 to 149 for split at 64×64. No accumulation order depends on the shape.
// To measure first on a GPU: the table of shapes at the end (split at 64×32 a warp reads 48 words of shared memory a lane for 96
// mma; at 64×64 it would read 64 for 192, but hold 128 sums), stages, and the constants of ProductPlan.cs.
#pragma once

#include "product_multiplier.cuh"

namespace kfac {

// Where the slices of both factors lie in shared memory, and how they come there. No lambdas in multiply_slices instead: one that is called
// in two places stays a function, for which everything that it captures, `shared` too, lies in local memory.
template <class Shape, class OperandA, class OperandB>
struct Slices {
    float* shared;
    const OperandA& a;
    const OperandB& b;
    int count;
    bool reuse;  // take the left factor for both

    __device__ __forceinline__ float* tile_a(int slice) const { return shared + slice % Shape::Stages * Shape::StageWords; }
    __device__ __forceinline__ float* tile_b(int slice) const { return tile_a(slice) + (reuse ? 0 : Shape::Rows * slice_depth); }
    __device__ __forceinline__ void stage(int slice) const {
        if (slice < count) {
            a.stage(tile_a(slice), slice);
            if (!reuse) {
                b.stage(tile_b(slice), slice);
            }
        }

        commit_copies();
    }
};

// Adds `slices` slices to the sums. `observe` sees every slice of the left factor once it has arrived. `reuse` takes the left
// factor for both, `active` says whether this warp's results are wanted. Ends with a barrier: shared memory is free again.
template <class Shape, Precision P, class OperandA, class OperandB, class Observer>
static __device__ __forceinline__ void multiply_slices(
    float* shared, const OperandA& a, const OperandB& b, int slices, bool reuse, bool active, Sums<Shape>& sums, Observer observe) {
    const Slices<Shape, OperandA, OperandB> factors{shared, a, b, slices, reuse};
    const LanePlace<Shape> lane;
#pragma unroll 1
    for (int slice = 0; slice < Shape::Stages - 1; ++slice) {
        factors.stage(slice);
    }

    for (int slice = 0; slice < slices; ++slice) {
        wait_copies<Shape::Stages - 2>();
        __syncthreads();
        factors.stage(slice + Shape::Stages - 1);
        if (active) {
            multiply_slice<Shape, P, OperandA::along, OperandB::along>(factors.tile_a(slice), factors.tile_b(slice), lane, sums);
        }

        observe(factors.tile_a(slice));
    }

    wait_copies<0>();
    __syncthreads();
}

// Split factors make NaN of an infinity; such a sum, and any other NaN, is summed again from the elements themselves. `locate`
// gives row and column of a lane's sum in the tile.
template <int Count, int Threads, class OperandA, class OperandB, class Locate>
static __device__ __forceinline__ void repair(float* shared, const OperandA& a, const OperandB& b, float (&sums)[Count], Locate locate) {
    bool any = false;
#pragma unroll
    for (int i = 0; i < Count; ++i) {
        any |= is_nan(sums[i]);
    }

    if (!any) {
        return;
    }

    float* const own = shared + threadIdx.x;
#pragma unroll
    for (int i = 0; i < Count; ++i) {
        own[i * Threads] = sums[i];
    }

#pragma unroll 1
    for (int i = 0; i < Count; ++i) {
        int row, column;
        locate(i, row, column);
        if (is_nan(own[i * Threads]) && row < a.lines && column < b.lines) {
            float sum = 0.0f;
            for (int k = 0; k < a.depth && !is_nan(sum); ++k) {
                sum = fma(a.at(row, k), b.at(column, k), sum);
            }

            own[i * Threads] = sum;
        }
    }

#pragma unroll
    for (int i = 0; i < Count; ++i) {
        sums[i] = own[i * Threads];
    }
}

template <class Shape, class OperandA, class OperandB>
static __device__ __forceinline__ void repair(float* shared, const OperandA& a, const OperandB& b, Sums<Shape>& sums) {
    float flat[Shape::Sums];
    for_each_sum<Shape>(sums, [&](float& sum, int index) { flat[index] = sum; });
    repair<Shape::Sums, Shape::Threads>(shared, a, b, flat, [](int index, int& row, int& column) {
        const LanePlace<Shape> lane;
        row = lane.row_of(index / (32 * Shape::SlabsB), index / (8 * Shape::SlabsB) % 4);
        column = lane.column_of(index / 8 % Shape::SlabsB, index / 4 % 2) + index % 4;
    });
    for_each_sum<Shape>(sums, [&](float& sum, int index) { sum = flat[index]; });
}

// Where results go: c ← alpha·sum + beta·c. With beta = 0 the old c is not read.
struct Result {
    float* c;
    long long stride;
    int rows, columns;
    float alpha, beta;
    bool aligned;

    __device__ __forceinline__ void store(int row, int column, const float (&sums)[4]) const {
        if (row >= rows || column >= columns) {
            return;
        }

        float* const to = c + row * stride + column;
        if (aligned && column + 4 <= columns) {
            const float4 old = beta == 0.0f ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : *reinterpret_cast<const float4*>(to);
            *reinterpret_cast<float4*>(to) =
                make_float4(combine(sums[0], old.x), combine(sums[1], old.y), combine(sums[2], old.z), combine(sums[3], old.w));
            return;
        }

#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (column + j < columns) {
                to[j] = combine(sums[j], beta == 0.0f ? 0.0f : to[j]);
            }
        }
    }

    __device__ __forceinline__ void store_pair(int row, int column, float first, float second) const {
        if (row >= rows || column >= columns) {
            return;
        }

        float* const to = c + row * stride + column;
        if (aligned && column + 2 <= columns) {
            const float2 old = beta == 0.0f ? make_float2(0.0f, 0.0f) : *reinterpret_cast<const float2*>(to);
            *reinterpret_cast<float2*>(to) = make_float2(combine(first, old.x), combine(second, old.y));
            return;
        }

        to[0] = combine(first, beta == 0.0f ? 0.0f : to[0]);
        if (column + 1 < columns) {
            to[1] = combine(second, beta == 0.0f ? 0.0f : to[1]);
        }
    }

    __device__ __forceinline__ float combine(float sum, float old) const { return beta == 0.0f ? alpha * sum : fma(beta, old, alpha * sum); }
};

template <class Shape>
static __device__ __forceinline__ void store_tile(const Sums<Shape>& sums, const Result& result) {
    const LanePlace<Shape> lane;
#pragma unroll
    for (int row = 0; row < Shape::SlabsA * 4; ++row) {
#pragma unroll
        for (int column = 0; column < Shape::SlabsB * 2; ++column) {
            result.store(
                lane.row_of(row / 4, row % 4), lane.column_of(column / 2, column % 2), sums.at[row / 4][row % 4][column / 2][column % 2]);
        }
    }
}

// Shapes by precision. `large` where there are blocks enough; `small` for small results.
template <Precision P>
struct Shapes {
    using large = TileShape<128, 128, 64, 32, 3>;
    using small = TileShape<64, 64, 32, 32, 3>;
};

template <>
struct Shapes<Precision::tf32> {
    using large = TileShape<128, 128, 64, 64, 3>;
    using small = TileShape<64, 64, 32, 32, 3>;
};

template <>
struct Shapes<Precision::bf16> {
    using large = TileShape<128, 128, 64, 64, 3>;
    using small = TileShape<64, 64, 32, 32, 3>;
};

}  // namespace kfac
