// Combines a value of each thread into one that all of them get, in an order that depends on the number of threads alone.
#pragma once

#include "platform.cuh"

namespace kfac {

template <typename T>
static __device__ __forceinline__ T from_lane(T value, int flipped_bits) {
    return __shfl_xor_sync(0xffffffffu, value, flipped_bits);
}
static __device__ __forceinline__ long long from_lane(long long value, int flipped_bits) {
    const unsigned low = __shfl_xor_sync(0xffffffffu, static_cast<unsigned>(value), flipped_bits);
    const unsigned high = __shfl_xor_sync(0xffffffffu, static_cast<unsigned>(static_cast<unsigned long long>(value) >> 32), flipped_bits);
    return static_cast<long long>(static_cast<unsigned long long>(high) << 32 | low);
}

// Over the lanes of a warp, all of which call it.
template <typename T, typename Combine>
static __device__ __forceinline__ T combine_warp(T value, Combine combine) {
    for (int bit = 16; bit > 0; bit /= 2) {
        value = combine(value, from_lane(value, bit));
    }

    return value;
}

// Over the threads of a block of whole warps along x, all of which call it. combine(identity, v) is v.
template <typename T, typename Combine>
static __device__ __forceinline__ T combine_block(T value, T identity, Combine combine) {
    __shared__ T parts[32];
    const unsigned lane = threadIdx.x % 32;
    value = combine_warp(value, combine);
    if (lane == 0) {
        parts[threadIdx.x / 32] = value;
    }

    __syncthreads();
    value = combine_warp(lane < blockDim.x / 32 ? parts[lane] : identity, combine);
    __syncthreads();  // before the next call writes parts
    return value;
}

struct Sum {
    template <typename T>
    __device__ T operator()(T a, T b) const { return a + b; }
};

// NaN where either is.
struct Maximum {
    template <typename T>
    __device__ T operator()(T a, T b) const { return b > a || b != b ? b : a; }
};

struct Minimum {
    __device__ long long operator()(long long a, long long b) const { return b < a ? b : a; }
};

}  // namespace kfac
