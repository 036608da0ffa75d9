// The part of CUDA C++ that kernels use, on the host: what platform.cuh includes under KFAC_HOST. Compiled with AddressSanitizer,
// so that each access out of bounds is found.
#pragma once

#include "host_block.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
// A section of its own for each source file, so that block.cpp finds the arrays and poisons them before each block.
#define __shared__ static __attribute__((section(KFAC_SHARED_SECTION)))
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __restrict__

#define KFAC_KERNEL(name, Arguments, maxThreads)                                                            \
    static void name(const Arguments& args);                                                                \
    static const kfac_host::Kernel kfac_kernel_##name(                                                      \
        __FILE__, #name, #Arguments, static_cast<int>(sizeof(Arguments)), maxThreads,                       \
        [](const void* arguments) { name(*static_cast<const Arguments*>(arguments)); });                    \
    static void name([[maybe_unused]] const Arguments& args)

#define KFAC_DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(kfac_host::dynamic_shared())

#define threadIdx (kfac_host::current->index)
#define blockIdx kfac_host::block_index
#define blockDim kfac_host::block_size
#define gridDim kfac_host::grid_size
static constexpr int warpSize = 32;

struct __align__(8) float2 { float x, y; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(8) int2 { int x, y; };
struct __align__(16) int4 { int x, y, z, w; };
struct __align__(8) uint2 { unsigned x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };
struct __align__(16) double2 { double x, y; };

static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
static inline double2 make_double2(double x, double y) { return {x, y}; }

// The place of the call, for messages, and to tell one barrier from another.
#define KFAC_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

static inline void __syncthreads(KFAC_HERE) { kfac_host::barrier("__syncthreads", false, file, line); }
static inline int __syncthreads_count(int predicate, KFAC_HERE) {
    return kfac_host::barrier("__syncthreads_count", predicate != 0, file, line);
}
static inline int __syncthreads_or(int predicate, KFAC_HERE) {
    return kfac_host::barrier("__syncthreads_or", predicate != 0, file, line) > 0;
}
static inline int __syncthreads_and(int predicate, KFAC_HERE) {
    return kfac_host::barrier("__syncthreads_and", predicate == 0, file, line) == 0;
}

static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __syncwarp(unsigned mask = 0xffffffffu, KFAC_HERE) {
    kfac_host::exchange("__syncwarp", mask, nullptr, 0, file, line);
}

namespace kfac_host {

// Bit i is the predicate of lane i.
static inline unsigned vote(const char* operation, unsigned mask, bool predicate, const char* file, int line) {
    const unsigned word = predicate;
    const Lanes& lanes = exchange(operation, mask, &word, 1, file, line);
    unsigned result = 0;
    for (int lane = 0; lane < 32; lane++) {
        if (mask >> lane & 1) {
            result |= lanes.words[lane][0] << lane;
        }
    }

    return result;
}

// `source` is the lane to read from, or -1 for one's own value (beyond the segment).
template <typename T>
static inline T shuffle(const char* operation, unsigned mask, T value, int source, const char* file, int line) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a shuffle moves 4 or 8 bytes");
    unsigned words[2] = {};
    __builtin_memcpy(words, &value, sizeof(T));
    const Lanes& lanes = exchange(operation, mask, words, sizeof(T) / 4, file, line);
    if (source < 0) {
        return value;
    }

    if ((mask >> source & 1) == 0) {
        fail("%s at %s:%d reads lane %d, which its mask 0x%08x does not name", operation, file, line, source, mask);
    }

    T result;
    __builtin_memcpy(&result, lanes.words[source], sizeof(T));
    return result;
}

static inline int segment_start(int width) { return static_cast<int>(current->lane) & ~(width - 1); }
static inline int inside(int lane, int width) {
    const int start = segment_start(width);
    return lane >= start && lane < start + width ? lane : -1;
}

}  // namespace kfac_host

static inline unsigned __ballot_sync(unsigned mask, int predicate, KFAC_HERE) {
    return kfac_host::vote("__ballot_sync", mask, predicate != 0, file, line);
}
static inline int __any_sync(unsigned mask, int predicate, KFAC_HERE) {
    return kfac_host::vote("__any_sync", mask, predicate != 0, file, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, KFAC_HERE) {
    return kfac_host::vote("__all_sync", mask, predicate == 0, file, line) == 0;
}

template <typename T>
static inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32, KFAC_HERE) {
    const int source = kfac_host::segment_start(width) | (lane & (width - 1));
    return kfac_host::shuffle("__shfl_sync", mask, value, source, file, line);
}
template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, KFAC_HERE) {
    const int source = static_cast<int>(kfac_host::current->lane) ^ lanes;
    return kfac_host::shuffle("__shfl_xor_sync", mask, value, kfac_host::inside(source, width), file, line);
}
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, KFAC_HERE) {
    const int source = static_cast<int>(kfac_host::current->lane + delta);
    return kfac_host::shuffle("__shfl_down_sync", mask, value, kfac_host::inside(source, width), file, line);
}
template <typename T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, KFAC_HERE) {
    const int source = static_cast<int>(kfac_host::current->lane) - static_cast<int>(delta);
    return kfac_host::shuffle("__shfl_up_sync", mask, value, kfac_host::inside(source, width), file, line);
}

// Threads run one at a time and change only where they wait, so plain reads and writes are atomic.
template <typename T>
static inline T kfac_host_exchange_value(T* address, T value) {
    const T old = *address;
    *address = value;
    return old;
}

static inline int atomicAdd(int* address, int value) {
    return kfac_host_exchange_value(address, static_cast<int>(static_cast<unsigned>(*address) + static_cast<unsigned>(value)));
}
static inline unsigned atomicAdd(unsigned* address, unsigned value) { return kfac_host_exchange_value(address, *address + value); }
static inline unsigned long long atomicAdd(unsigned long long* address, unsigned long long value) {
    return kfac_host_exchange_value(address, *address + value);
}
template <typename T>
static inline T atomicMax(T* address, T value) { return kfac_host_exchange_value(address, *address > value ? *address : value); }
template <typename T>
static inline T atomicMin(T* address, T value) { return kfac_host_exchange_value(address, *address < value ? *address : value); }
template <typename T>
static inline T atomicOr(T* address, T value) { return kfac_host_exchange_value(address, static_cast<T>(*address | value)); }
template <typename T>
static inline T atomicAnd(T* address, T value) { return kfac_host_exchange_value(address, static_cast<T>(*address & value)); }
template <typename T>
static inline T atomicExch(T* address, T value) { return kfac_host_exchange_value(address, value); }
template <typename T>
static inline T atomicCAS(T* address, T expected, T value) {
    return kfac_host_exchange_value(address, *address == expected ? value : *address);
}

static inline unsigned __umulhi(unsigned a, unsigned b) {
    return static_cast<unsigned>(static_cast<unsigned long long>(a) * b >> 32);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
static inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
static inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
static inline long long min(long long a, long long b) { return a < b ? a : b; }
static inline long long max(long long a, long long b) { return a > b ? a : b; }

namespace kfac {

static inline float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline float sqrt(float x) { return __builtin_sqrtf(x); }
static inline double sqrt(double x) { return __builtin_sqrt(x); }
static inline float round_even(float x) { return __builtin_rintf(x); }
static inline unsigned bits(float x) {
    unsigned word;
    __builtin_memcpy(&word, &x, 4);
    return word;
}
static inline float from_bits(unsigned word) {
    float x;
    __builtin_memcpy(&x, &word, 4);
    return x;
}

}  // namespace kfac
