// The part of CUDA C++ that kernels use, for clang with -nocudainc -nocudalib: attributes, vector types, warp operations.
#pragma once

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __restrict__ __restrict

#include <__clang_cuda_builtin_vars.h>

#define KFAC_KERNEL(name, Arguments, maxThreads) \
    extern "C" __global__ __launch_bounds__(maxThreads) void name(const Arguments args)

#define KFAC_DYNAMIC_SHARED(type, name)                                  \
    extern __shared__ __align__(1024) unsigned char kfac_dynamic_shared[]; \
    type* name = reinterpret_cast<type*>(kfac_dynamic_shared)

struct __align__(8) float2 { float x, y; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(8) int2 { int x, y; };
struct __align__(16) int4 { int x, y, z, w; };
struct __align__(8) uint2 { unsigned x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };

static __device__ __forceinline__ float2 make_float2(float x, float y) { return {x, y}; }
static __device__ __forceinline__ float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static __device__ __forceinline__ int2 make_int2(int x, int y) { return {x, y}; }
static __device__ __forceinline__ int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static __device__ __forceinline__ uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static __device__ __forceinline__ uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// __syncthreads, __nvvm_* and __builtin_* are the compiler's own.
static __device__ __forceinline__ void __syncwarp(unsigned mask = 0xffffffffu) { __nvvm_bar_warp_sync(mask); }
static __device__ __forceinline__ void __threadfence() { __nvvm_membar_gl(); }
static __device__ __forceinline__ void __threadfence_block() { __nvvm_membar_cta(); }
static __device__ __forceinline__ unsigned __ballot_sync(unsigned mask, int predicate) { return __nvvm_vote_ballot_sync(mask, predicate); }
static __device__ __forceinline__ int __any_sync(unsigned mask, int predicate) { return __nvvm_vote_any_sync(mask, predicate); }
static __device__ __forceinline__ int __all_sync(unsigned mask, int predicate) { return __nvvm_vote_all_sync(mask, predicate); }

// The last operand packs the segment (32 - width) and the clamp: 31, or 0 for `up`.
#define KFAC_SHUFFLE(name, operation, clamp)                                                                                   \
    static __device__ __forceinline__ int name(unsigned mask, int value, unsigned lane, int width = 32) {                        \
        return __nvvm_shfl_sync_##operation##_i32(mask, value, static_cast<int>(lane), ((32 - width) << 8) | (clamp));             \
    }                                                                                                                          \
    static __device__ __forceinline__ unsigned name(unsigned mask, unsigned value, unsigned lane, int width = 32) {              \
        return static_cast<unsigned>(name(mask, static_cast<int>(value), lane, width));                                            \
    }                                                                                                                          \
    static __device__ __forceinline__ float name(unsigned mask, float value, unsigned lane, int width = 32) {                    \
        return __nvvm_shfl_sync_##operation##_f32(mask, value, static_cast<int>(lane), ((32 - width) << 8) | (clamp));             \
    }                                                                                                                          \
    static __device__ __forceinline__ double name(unsigned mask, double value, unsigned lane, int width = 32) {                  \
        const unsigned long long bits = __builtin_bit_cast(unsigned long long, value);                                           \
        const unsigned low = name(mask, static_cast<unsigned>(bits), lane, width);                                               \
        const unsigned high = name(mask, static_cast<unsigned>(bits >> 32), lane, width);                                        \
        return __builtin_bit_cast(double, (static_cast<unsigned long long>(high) << 32) | low);                                  \
    }

KFAC_SHUFFLE(__shfl_sync, idx, 31)
KFAC_SHUFFLE(__shfl_xor_sync, bfly, 31)
KFAC_SHUFFLE(__shfl_down_sync, down, 31)
KFAC_SHUFFLE(__shfl_up_sync, up, 0)
#undef KFAC_SHUFFLE

static __device__ __forceinline__ int atomicAdd(int* address, int value) { return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); }
static __device__ __forceinline__ unsigned atomicAdd(unsigned* address, unsigned value) { return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); }
static __device__ __forceinline__ int atomicMax(int* address, int value) { return __nvvm_atom_max_gen_i(address, value); }
static __device__ __forceinline__ int atomicMin(int* address, int value) { return __nvvm_atom_min_gen_i(address, value); }
static __device__ __forceinline__ int atomicOr(int* address, int value) { return __atomic_fetch_or(address, value, __ATOMIC_RELAXED); }

static __device__ __forceinline__ unsigned __umulhi(unsigned a, unsigned b) { return __nvvm_mulhi_ui(a, b); }
static __device__ __forceinline__ int min(int a, int b) { return a < b ? a : b; }
static __device__ __forceinline__ int max(int a, int b) { return a > b ? a : b; }
static __device__ __forceinline__ long long min(long long a, long long b) { return a < b ? a : b; }
static __device__ __forceinline__ long long max(long long a, long long b) { return a > b ? a : b; }

namespace kfac {

static __device__ __forceinline__ float fma(float a, float b, float c) { return __nvvm_fma_rn_f(a, b, c); }
static __device__ __forceinline__ double fma(double a, double b, double c) { return __nvvm_fma_rn_d(a, b, c); }
static __device__ __forceinline__ float sqrt(float x) { return __nvvm_sqrt_rn_f(x); }
static __device__ __forceinline__ double sqrt(double x) { return __nvvm_sqrt_rn_d(x); }
static __device__ __forceinline__ float round_even(float x) { return __builtin_rintf(x); }
static __device__ __forceinline__ unsigned bits(float x) { return __builtin_bit_cast(unsigned, x); }
static __device__ __forceinline__ float from_bits(unsigned x) { return __builtin_bit_cast(float, x); }

}  // namespace kfac
