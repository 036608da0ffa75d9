// Products by a warpgroup, four warps together (wgmma, sm_90a only). They run while the threads go on: between multiply_async and
// finish_products the sums and the left factor's registers must not be touched, nor the right factor in shared memory. What
// threads have written to shared memory is seen by products that start behind publish_shared and a barrier.
//
// multiply_async adds a (64×8) times b (8×128), TF32, to d or, without `accumulate`, puts it there. Warp w of the four, lane
// (g, t) of it, holds of a: (r, t) (r + 8, t) (r, t + 4) (r + 8, t + 4) with r = 16w + g; of d: for each i of 16, (r, c) (r, c + 1)
// (r + 8, c) (r + 8, c + 1) with c = 8i + 2t. b lies column by column: 32 depths of a column are 128 bytes, eight columns 1024, the
// 16-byte chunks of column n permuted by n % 8 (the tensor cores' own 128-byte swizzle); a step of 8 depths is 32 bytes on.
// The host's twins come with the harness (host_warpgroup.h), same names and meaning.
#pragma once

#include "bulk_copy.cuh"

#if defined(KFAC_HOST)
#include "host_warpgroup.h"
#else

namespace kfac {

using MatrixDescriptor = unsigned long long;

// Start in units of 16 bytes; 1024 bytes from eight columns to the next; 128-byte swizzle.
static __device__ __forceinline__ MatrixDescriptor describe(const float* shared) {
    return (static_cast<MatrixDescriptor>(1) << 62) | (static_cast<MatrixDescriptor>(1024 >> 4) << 32) |
           (static_cast<MatrixDescriptor>(1) << 16) | ((shared_address(shared) & 0x3ffffu) >> 4);
}
static __device__ __forceinline__ MatrixDescriptor step_depth(MatrixDescriptor matrix, int step) { return matrix + 2 * step; }
static __device__ __forceinline__ void start_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
static __device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
static __device__ __forceinline__ void finish_products() { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

// Keeps the compiler from moving what it does with the sums across this place.
static __device__ __forceinline__ void hold(float (&d)[64]) {
#pragma unroll
    for (int i = 0; i < 64; ++i) {
        asm volatile("" : "+f"(d[i])::"memory");
    }
}

static __device__ __forceinline__ void multiply_async(float (&d)[64], const unsigned (&a)[4], MatrixDescriptor b, bool accumulate) {
    asm volatile(
        "{.reg .pred p; setp.ne.b32 p, %69, 0; wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "{%64, %65, %66, %67}, %68, p, 1, 1;}"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
          "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
          "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
          "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
          "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
          "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
          "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(accumulate)));
}

}  // namespace kfac
#endif
