// Boxes of matrices copied from global to shared memory by the copy engine (cp.async.bulk.tensor, sm_90), and the barriers in
// shared memory (mbarrier) on which they and threads meet.
//
// A barrier has phases. A phase ends when as many threads have arrived as init_barrier said and all bytes have come that were
// announced in it (arrive_expecting); then the next begins. wait_barrier(b, p) returns when the latest ended phase has parity p:
// phases count from 0, and what comes before phase 0 counts as an ended phase of parity 1. Waiting threads see what the copies
// brought and what threads wrote before they arrived. init_barrier by one thread, then publish_shared of that thread and a
// barrier of the block, before anything else.
//
// A TensorMap says what lies in global memory: matrices of one size, row by row, and the size of a box. Rows of a box are 128
// bytes in shared memory; the 16-byte chunks of row r lie permuted by r % 8 (the 128-byte swizzle). What is beyond a
// matrix comes as zeros and counts as bytes that come. The map is one of the kernel's arguments.
// The host's twins come with the harness (host_bulk_copy.h), same names and meaning.
#pragma once

#include "async_copy.cuh"

// CUtensorMap, made by GpuRuntime.EncodeTensorMap.
struct __align__(64) TensorMap {
    unsigned long long words[16];
};

namespace kfac {

// In shared memory.
struct __align__(8) Barrier {
    unsigned long long state;
};

constexpr int box_row_bytes = 128;

}  // namespace kfac

#if defined(KFAC_HOST)
#include "host_bulk_copy.h"
#else

// Where a kernel's arguments lie. `&args` would make a copy of them, which the copy engine cannot read.
#define KFAC_ARGUMENTS_ADDRESS(name, Arguments, address)                                       \
    const Arguments* address;                                                                  \
    asm("{.reg .b64 parameter; mov.b64 parameter, " #name "_param_0; cvta.param.u64 %0, parameter;}" : "=l"(address))

namespace kfac {

// What threads have written to shared memory is seen by the copy engine and warpgroup products that start behind this and a barrier.
static __device__ __forceinline__ void publish_shared() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

static __device__ __forceinline__ void init_barrier(Barrier* barrier, unsigned arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

static __device__ __forceinline__ void arrive(Barrier* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

static __device__ __forceinline__ void arrive_expecting(Barrier* barrier, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}

static __device__ __forceinline__ void wait_barrier(Barrier* barrier, unsigned parity) {
    const unsigned address = shared_address(barrier);
    unsigned ended;
    do {
        asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p;}"
                     : "=r"(ended)
                     : "r"(address), "r"(parity)
                     : "memory");
    } while (ended == 0);
}

// The box whose first element is (row, column) of a matrix; `shared` at a multiple of 1024 bytes.
static __device__ __forceinline__ void copy_box(float* shared, const TensorMap* map, int column, int row, int matrix, Barrier* barrier) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(
                     shared_address(shared)),
                 "l"(map), "r"(column), "r"(row), "r"(matrix), "r"(shared_address(barrier))
                 : "memory");
}

// Waits until `threads` threads, a multiple of 32, stand at the barrier of this number, 1 to 15.
static __device__ __forceinline__ void synchronize_threads(int number, int threads) {
    asm volatile("barrier.sync.aligned %0, %1;" ::"r"(number), "r"(threads) : "memory");
}

// Registers of each thread of a warpgroup from here on: a multiple of 8 from 24 to 240. All its threads say the same.
template <int Count>
static __device__ __forceinline__ void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

template <int Count>
static __device__ __forceinline__ void give_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}

}  // namespace kfac
#endif
