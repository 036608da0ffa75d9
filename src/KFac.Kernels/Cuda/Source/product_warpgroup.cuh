// A block's tile of a product on Hopper's warpgroup tensor cores, fed by its copy engine: as accurate as float32 (Precision::split
// of product_multiplier.cuh) or in TF32.
//
// Three warpgroups, each with one task, that meet only at barriers in shared memory:
//   - the first starts bulk copies of slices of 32 depths, `Ahead` slices before their use, and makes of each slice of the right
//     factor what the tensor cores want (warpgroup_factors.cuh);
//   - the second and third multiply 64 rows each. They take the left factor from shared memory to registers and split it there.
// While one of these adds up or splits, the other's products keep the tensor cores busy; nobody waits for the whole block.
//
// Split, a slice sums small·big, big·small and then big·big into fresh accumulators, which are added to the running sums:
// (88 + k/32)ε by the count of product_multiplier.cuh, no more than float32's bound from k = 96 on.
//
// By count, of shared memory's 128 bytes a cycle, for a slice of a 128×128 tile: products read the right factor from it (12 or
// 4 for each of the two warpgroups, 4 KB each), copies write 32 KB, fragments read 16, the splitting reads 16 and writes 32 or 16:
//   split    1536 cycles of the tensor cores, 1536 of shared memory
//   tf32     512 and 896; 1024 and 1536 for a tile of 256 columns, which reads the left factor once for both halves
// so shared memory is the limit; what would lift it is half the bytes a factor (two float16 parts, scaled by line).
// None of this has run on a GPU yet: CudaDevice takes it only where it is asked for. To measure first: Ahead, and the registers that the
// assembler takes of those that the two tasks are given.
#pragma once

#include "warpgroup_factors.cuh"

namespace kfac {

// Starts the products of a slice: split into fresh accumulators, else onto `to`.
template <class Tile, Precision P>
static __device__ __forceinline__ void start_slice(
    const unsigned (&big_a)[4][4], const unsigned (&small_a)[4][4], const float* parts, float (&to)[Tile::Halves][64]) {
#pragma unroll
    for (int half = 0; half < Tile::Halves; ++half) {
        hold(to[half]);
    }

    start_products();
#pragma unroll
    for (int half = 0; half < Tile::Halves; ++half) {
        const MatrixDescriptor big_b = describe(parts + half * 128 * slice_depth);
        if constexpr (P == Precision::split) {
            const MatrixDescriptor small_b = describe(parts + Tile::RightWords + half * 128 * slice_depth);
#pragma unroll
            for (int step = 0; step < 4; ++step) {
                multiply_async(to[half], small_a[step], step_depth(big_b, step), step > 0);
            }

#pragma unroll
            for (int step = 0; step < 4; ++step) {
                multiply_async(to[half], big_a[step], step_depth(small_b, step), true);
            }
        }

#pragma unroll
        for (int step = 0; step < 4; ++step) {
            multiply_async(to[half], big_a[step], step_depth(big_b, step), true);
        }
    }

    commit_products();
}

// The barriers of a block. The n-th use of a slot ends phase n of its barrier.
template <class Tile>
struct Pipeline {
    float* shared;

    __device__ __forceinline__ Barrier* barrier(int index) const { return reinterpret_cast<Barrier*>(shared + Tile::BarriersAt) + index; }
    __device__ __forceinline__ Barrier* copied(int slice) const { return barrier(slice % Tile::LeftSlots); }
    __device__ __forceinline__ Barrier* made(int slice) const { return barrier(Tile::LeftSlots + slice % Tile::PartSlots); }
    __device__ __forceinline__ Barrier* used(int slice) const { return barrier(Tile::LeftSlots + Tile::PartSlots + slice % Tile::PartSlots); }
    __device__ __forceinline__ float* left(int slice) const { return shared + Tile::LeftAt + slice % Tile::LeftSlots * Tile::LeftWords; }
    __device__ __forceinline__ float* right(int slice) const { return shared + Tile::RightAt + slice % Tile::RightSlots * Tile::RightWords; }
    __device__ __forceinline__ float* parts(int slice) const { return shared + Tile::PartAt + slice % Tile::PartSlots * Tile::PartWords; }

    // `copied` is ended by one thread and its bytes, the others by each warp that made parts, or used them.
    __device__ __forceinline__ void init() const {
        if (threadIdx.x == 0) {
            for (int i = 0; i < Tile::Barriers; ++i) {
                init_barrier(barrier(i), i < Tile::LeftSlots ? 1 : i < Tile::LeftSlots + Tile::PartSlots ? Tile::Helpers / 32 : Tile::Workers / 32);
            }

            publish_shared();
        }

        __syncthreads();
    }

    __device__ __forceinline__ void wait_copied(int slice) const { wait_barrier(copied(slice), slice / Tile::LeftSlots & 1); }
    __device__ __forceinline__ void wait_made(int slice) const { wait_barrier(made(slice), slice / Tile::PartSlots & 1); }
    // Before slice PartSlots nothing has to be used first.
    __device__ __forceinline__ void wait_used_before(int slice) const { wait_barrier(used(slice), (slice / Tile::PartSlots & 1) ^ 1); }
};

template <class Tile, class OperandA, class OperandB>
static __device__ __forceinline__ void copy_slice(const Pipeline<Tile>& pipeline, const OperandA& a, const OperandB& b, int slice) {
    arrive_expecting(pipeline.copied(slice), (Tile::LeftWords + Tile::RightWords) * 4);
    a.copy(pipeline.left(slice), Tile::Rows, slice, pipeline.copied(slice));
    b.copy(pipeline.right(slice), Tile::Columns, slice, pipeline.copied(slice));
}

// What the first warpgroup does. Ends when the last parts are made.
template <class Tile, Precision P, class OperandA, class OperandB>
static __device__ __forceinline__ void help(
    const Pipeline<Tile>& pipeline, const OperandA& a, const OperandB& b, int slices, bool with_sums, float (&sums)[4]) {
    const bool first = threadIdx.x == 0;
    if (first) {
        for (int slice = 0; slice < Tile::Ahead && slice < slices; ++slice) {
            copy_slice(pipeline, a, b, slice);
        }
    }

#pragma unroll 1
    for (int slice = 0; slice < slices; ++slice) {
        // Behind this the left factor's slice `slice - PartSlots` has been read, and its parts used.
        pipeline.wait_used_before(slice);
        if (first && slice + Tile::Ahead < slices) {
            if (slice > 0) {
                pipeline.wait_made(slice - 1);  // all helpers have read the right factor's
            }

            copy_slice(pipeline, a, b, slice + Tile::Ahead);
        }

        __syncwarp();
        pipeline.wait_copied(slice);
        make_parts<Tile, P, OperandB::along>(pipeline.right(slice), pipeline.parts(slice), with_sums, sums);
        publish_shared();
        __syncwarp();
        if (threadIdx.x % 32 == 0) {
            arrive(pipeline.made(slice));
        }
    }
}

// What the other warpgroups do.
template <class Tile, Precision P, Along A>
static __device__ __forceinline__ void work(const Pipeline<Tile>& pipeline, int slices, float (&sums)[Tile::Halves][64]) {
    LeftFragment<A> left;
    pipeline.wait_copied(0);
    left.load(pipeline.left(0));
#pragma unroll 1
    for (int slice = 0; slice < slices; ++slice) {
        unsigned big_a[4][4], small_a[4][4];
#pragma unroll
        for (int e = 0; e < 16; ++e) {
            convert<P>(left.at[e / 4][e % 4], big_a[e / 4][e % 4], small_a[e / 4][e % 4]);
        }

        pipeline.wait_made(slice);
        [[maybe_unused]] float fresh[Tile::Halves][64];
        if constexpr (P == Precision::split) {
            start_slice<Tile, P>(big_a, small_a, pipeline.parts(slice), fresh);
        } else {
            start_slice<Tile, P>(big_a, small_a, pipeline.parts(slice), sums);
        }

        if (slice + 1 < slices) {
            pipeline.wait_copied(slice + 1);
            left.load(pipeline.left(slice + 1));
        }

        finish_products();
        __syncwarp();
        if (threadIdx.x % 32 == 0) {
            arrive(pipeline.used(slice));
        }

#pragma unroll
        for (int half = 0; half < Tile::Halves; ++half) {
            if constexpr (P == Precision::split) {
                hold(fresh[half]);
#pragma unroll
                for (int i = 0; i < 64; ++i) {
                    sums[half][i] += fresh[half][i];
                }
            } else {
                hold(sums[half]);
            }
        }
    }
}

// Row and column of a worker's sum in 128 columns of the tile.
static __device__ __forceinline__ void locate_warpgroup_sum(int index, int& row, int& column) {
    const int worker = static_cast<int>(threadIdx.x) - 128;
    row = worker_line(worker) + index / 2 % 2;
    column = index / 4 * 8 + worker % 4 * 2 + index % 2;
}

// What workers do with their sums when all of them have used shared memory.
template <class Tile, Precision P, class OperandA, class OperandB>
static __device__ __forceinline__ void finish_tile(
    float* shared, const OperandA& a, const OperandB& b, float (&sums)[Tile::Halves][64], const Result& result) {
    synchronize_threads(1, Tile::Workers);
#pragma unroll
    for (int half = 0; half < Tile::Halves; ++half) {
        if constexpr (P == Precision::split) {
            static_assert(Tile::Halves == 1, "repair takes lines of 128 columns");
            repair<64, Tile::Threads>(shared, a, b, sums[half], locate_warpgroup_sum);
        }

#pragma unroll
        for (int i = 0; i < 64; i += 2) {
            int row, column;
            locate_warpgroup_sum(i, row, column);
            result.store_pair(row, half * 128 + column, sums[half][i], sums[half][i + 1]);
        }
    }
}

// Helpers of four warps hold the sums of columns 4·lane on, each of a quarter of the depths.
template <class Tile>
static __device__ __forceinline__ void store_column_sums(float* shared, const float (&sums)[4], float* to, int columns) {
    const int helper = static_cast<int>(threadIdx.x);
    *reinterpret_cast<float4*>(shared + 4 * helper) = make_float4(sums[0], sums[1], sums[2], sums[3]);
    synchronize_threads(2, Tile::Helpers);
    if (helper < columns) {
        to[helper] = (shared[helper] + shared[Tile::Columns + helper]) + (shared[2 * Tile::Columns + helper] + shared[3 * Tile::Columns + helper]);
    }
}

// The whole block: at least one slice. `column_sums`, where not null, takes the sums of the columns of B, which lies along its lines.
template <class Tile, Precision P, class OperandA, class OperandB>
static __device__ __forceinline__ void multiply_warpgroup(
    float* shared, const OperandA& a, const OperandB& b, const Result& result, float* column_sums) {
    const Pipeline<Tile> pipeline{shared};
    const int slices = (a.depth + slice_depth - 1) / slice_depth;
    pipeline.init();
    if (threadIdx.x < Tile::Helpers) {
        give_registers<Tile::HelperRegisters>();
        float own[4] = {};
        help<Tile, P>(pipeline, a, b, slices, column_sums != nullptr, own);
        if (column_sums != nullptr) {
            store_column_sums<Tile>(shared + Tile::ColumnSumsAt, own, column_sums, b.lines);
        }
    } else {
        take_registers<Tile::WorkerRegisters>();
        float sums[Tile::Halves][64] = {};
        work<Tile, P, OperandA::along>(pipeline, slices, sums);
        finish_tile<Tile, P>(shared, a, b, sums, result);
    }
}

}  // namespace kfac

// As KFAC_KERNEL, of one block a multiprocessor: without it the assembler ignores how tasks divide the registers.
#if defined(KFAC_HOST)
#define KFAC_WARPGROUP_KERNEL(name, Arguments) KFAC_KERNEL(name, Arguments, 384)
#else
#define KFAC_WARPGROUP_KERNEL(name, Arguments) extern "C" __global__ __launch_bounds__(384, 1) void name(const Arguments args)
#endif
