// What every kernel includes first. The same sources are compiled by
//   - clang without CUDA's headers or libraries, to the PTX that the library embeds (compile-ptx.sh),
//   - nvcc, as a check,
//   - a host C++ compiler with KFAC_HOST, for the tests (host_platform.h gives threads, barriers and shared memory).
// A kernel takes one structure by value:
//
//   struct ScaleArguments { const float* x; float* y; long long n; float factor; };
//   KFAC_KERNEL(scale, ScaleArguments, 256 /* most threads of a block */) { ... args.factor ... }
//
// Products and sums are never contracted by the compiler: write kfac::fma where one rounding is meant. So a kernel gives
// the same bits on the host as on a GPU.
#pragma once

#if defined(KFAC_HOST)
#include "host_platform.h"
#elif defined(__clang__)
#include "platform_clang.cuh"
#else
#include "platform_nvcc.cuh"
#endif

#include "math.cuh"
