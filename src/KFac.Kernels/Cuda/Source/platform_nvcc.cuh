// nvcc brings CUDA C++ itself; what is missing is what our kernels call by names of their own.
#pragma once

#define KFAC_KERNEL(name, Arguments, maxThreads) \
    extern "C" __global__ __launch_bounds__(maxThreads) void name(const Arguments args)

#define KFAC_DYNAMIC_SHARED(type, name)                                  \
    extern __shared__ __align__(1024) unsigned char kfac_dynamic_shared[]; \
    type* name = reinterpret_cast<type*>(kfac_dynamic_shared)

namespace kfac {

static __device__ __forceinline__ float fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
static __device__ __forceinline__ double fma(double a, double b, double c) { return __fma_rn(a, b, c); }
static __device__ __forceinline__ float sqrt(float x) { return __fsqrt_rn(x); }
static __device__ __forceinline__ double sqrt(double x) { return __dsqrt_rn(x); }
static __device__ __forceinline__ float round_even(float x) { return rintf(x); }
static __device__ __forceinline__ unsigned bits(float x) { return __float_as_uint(x); }
static __device__ __forceinline__ float from_bits(unsigned x) { return __uint_as_float(x); }

}  // namespace kfac
