// Philox4x32-10 (Salmon et al. 2011) and Box-Muller, with the same bits as PhiloxBlock.cs and BoxMuller.cs: whole numbers, and
// float32 operations in the order written there, none of them fused.
#pragma once

#include "platform.cuh"

namespace kfac {

struct PhiloxKey {
    unsigned long long seed;
    unsigned long long sequence;
};

// A key, and where a number lies that completes it when the kernel runs; null for the key as it is.
struct PhiloxKeyArguments {
    PhiloxKey key;
    const unsigned long long* sequence;
};

static __device__ __forceinline__ PhiloxKey complete(const PhiloxKeyArguments& args) {
    return {args.key.seed, args.sequence == nullptr ? args.key.sequence : args.key.sequence ^ *args.sequence};
}

struct PhiloxBlock {
    unsigned word[4];
};

static __device__ __forceinline__ PhiloxBlock philox(const PhiloxKey& key, unsigned long long index) {
    unsigned c0 = static_cast<unsigned>(index), c1 = static_cast<unsigned>(index >> 32);
    unsigned c2 = static_cast<unsigned>(key.sequence), c3 = static_cast<unsigned>(key.sequence >> 32);
    unsigned k0 = static_cast<unsigned>(key.seed), k1 = static_cast<unsigned>(key.seed >> 32);
    for (int round = 0; round < 10; round++) {
        const unsigned high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        const unsigned high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }

    return {{c0, c1, c2, c3}};
}

// Uniform on [0, 1): the upper 24 bits.
static __device__ __forceinline__ float uniform(unsigned word) { return static_cast<float>(word >> 8) * (1.0f / 16777216.0f); }

// ln v of 0 < v <= 1 by Cephes' logf.
static __device__ __forceinline__ float box_muller_log(float v) {
    const int word = static_cast<int>(bits(v));
    const int exponent = (word - 0x3f3504f3) >> 23;
    const float f = from_bits(static_cast<unsigned>(word) - (static_cast<unsigned>(exponent) << 23)) - 1.0f;
    const float z = f * f;
    float p = 7.0376836292e-2f;
    p = p * f + -1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f + -1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f + -1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f + -2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    const float e = static_cast<float>(exponent);
    float y = p * f * z + -2.12194440e-4f * e;
    y -= 0.5f * z;
    return f + y + 0.693359375f * e;
}

// Calls body(which of `length` numbers from `offset` on is the block's first, below 0 where it lies before them; block).
template <typename Body>
static __device__ __forceinline__ void for_each_philox_block(
    const PhiloxKeyArguments& args, unsigned long long offset, long long length, Body body) {
    const PhiloxKey key = complete(args);
    const long long before = static_cast<long long>(offset % 4);
    const long long blocks = (length + before + 3) / 4;
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < blocks; i += step) {
        body(4 * i - before, philox(key, offset / 4 + static_cast<unsigned long long>(i)));
    }
}

// Two standard normal numbers from two words: √(-2 ln(1 - u₀)) times cosine and sine of 2π u₁.
static __device__ __forceinline__ float2 box_muller(unsigned word0, unsigned word1) {
    const float v = static_cast<float>(16777216 - static_cast<int>(word0 >> 8)) * (1.0f / 16777216.0f);
    const float radius = sqrt(-2.0f * box_muller_log(v));
    const int turn = static_cast<int>(word1 >> 8);
    const int quarter = (turn + (1 << 21)) >> 22;
    const float angle = static_cast<float>(turn - (quarter << 22)) * 3.7450703e-7f;
    const float z = angle * angle;
    const float sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z + -1.6666654611e-1f) * z * angle + angle;
    const float cosine =
        ((2.443315711809948e-5f * z + -1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
    const bool swap = (quarter & 1) != 0;
    const float x = swap ? sine : cosine;
    const float y = swap ? cosine : sine;
    return make_float2(radius * (((quarter + 1) & 2) != 0 ? -x : x), radius * ((quarter & 2) != 0 ? -y : y));
}

}  // namespace kfac
