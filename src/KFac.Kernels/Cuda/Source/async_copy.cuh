// Copies from global to shared memory that run while the threads compute (cp.async, sm_80). The copies that a thread has
// started become a group when it calls commit_copies; wait_copies<N> returns when at most its latest N groups are still under
// way. A barrier behind everyone's wait shows the copies to all threads of the block.
// The host's twins come with the harness (host_async_copy.h), same names and meaning.
#pragma once

#include "platform.cuh"

#if defined(KFAC_HOST)
#include "host_async_copy.h"
#else

namespace kfac {

static __device__ __forceinline__ unsigned shared_address(const void* pointer) {
    unsigned long long address;
    asm("cvta.to.shared.u64 %0, %1;" : "=l"(address) : "l"(pointer));
    return static_cast<unsigned>(address);
}

// 16 bytes, both addresses multiples of 16: the first `bytes` (0 to 16) of global memory, then zeros. What is beyond is not read.
static __device__ __forceinline__ void copy_async16_first(void* shared, const void* global, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
}

// 16 bytes, or 16 zero bytes.
static __device__ __forceinline__ void copy_async16(void* shared, const void* global, bool valid) {
    copy_async16_first(shared, global, valid ? 16 : 0);
}

// 4 bytes, both addresses multiples of 4, or 4 zero bytes.
static __device__ __forceinline__ void copy_async4(void* shared, const void* global, bool valid) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(valid ? 4 : 0) : "memory");
}

static __device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int Groups>
static __device__ __forceinline__ void wait_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory");
}

}  // namespace kfac
#endif
