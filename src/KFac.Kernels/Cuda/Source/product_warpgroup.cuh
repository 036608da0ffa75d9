// A block's tile of a product on Hopper's warpgroup tensor cores, fed by its copy engine: as accurate as float32 (Precision::split
// of product_multiplier.cuh) or in TF32.
//
// Three warpgroups, each with one task, that meet only at barriers in shared memory:
//   - the first starts bulk copies of slices of 32 depths, `Ahead` slices before their use, and makes of each slice of the right
//     factor what the tensor cores want: TF32 comes depth by depth, in two parts where the factor is split;
//   - the second and third multiply 64 rows each. They take the left factor from shared memory to registers and split it there.
// While one of these adds up or splits, the other's products keep the tensor cores busy; nobody waits for the whole block.
//
// Which depths make a step of eight is free as long as both factors agree. Chunk q of a column's 8 (4 of a step's 8 depths) holds the
// depths 8·(q & 1) + 16·(q >> 2) + (q >> 1 & 1) + 0, 2, 4, 6: then neither fragments nor the splitting meet a bank twice,
// whichever way the factors are stored (copied boxes: bulk_copy.cuh).
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

#include "product_tile.cuh"
#include "warpgroup.cuh"

namespace kfac {

// Rows by Columns of the result; what lies in dynamic shared memory, in words from its start.
template <Precision P, int Columns_>
struct WarpgroupTile {
    static_assert(P == Precision::split || P == Precision::tf32);
    static constexpr int Rows = 128, Columns = Columns_, Halves = Columns / 128;
    static constexpr int Helpers = 128, Workers = 256, Threads = Helpers + Workers;
    static constexpr int HelperRegisters = 88, WorkerRegisters = 208;  // 384 threads start with 168
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
        const int worker = thread_again() - 128, line = worker_line(worker), member = worker % 4;
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

// Starts the products of a slice: split into fresh accumulators, else onto `to`.
template <class Tile, Precision P>
static __device__ __forceinline__ void start_slice(const unsigned (&big_a)[4][4], const unsigned (&small_a)[4][4], const float* parts, float (&to)[Tile::Halves][64]) {
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
static __device__ __forceinline__ void finish_tile(float* shared, const OperandA& a, const OperandB& b, float (&sums)[Tile::Halves][64], const Result& result) {
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
