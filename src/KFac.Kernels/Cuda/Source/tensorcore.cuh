// Products of small matrices by a warp's tensor cores (mma.sync, sm_80): d += a·b, sums in float32. Which elements a lane holds,
// with g = lane / 4 and t = lane % 4:
//   m16n8k8, TF32     a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4)    b: (t, g) (t + 4, g)
//   m16n8k16, bf16    the same with pairs: t stands for the columns 2t and 2t + 1, t + 4 for 2t + 8 and 2t + 9
//   d of either       (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1)
// A TF32 operand is a float whose 13 lowest bits are ignored.
// The host's twins come with the harness (host_tensorcore.h), same names and meaning.
#pragma once

#include "platform.cuh"

#if defined(KFAC_HOST)
#include "host_tensorcore.h"
#else

namespace kfac {

static __device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

static __device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Rounded to TF32's 11 bits, halves away from zero; NaN and infinities stay.
static __device__ __forceinline__ unsigned to_tf32(float x) {
    unsigned result;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(x));
    return result;
}

// Both rounded to bfloat16, halves to even; `low` in the lower half.
static __device__ __forceinline__ unsigned to_bf16_pair(float low, float high) {
    unsigned result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
}

}  // namespace kfac
#endif
