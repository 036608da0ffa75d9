// Elementary functions from multiplications and additions alone: PTX has only approximations, and its library would have to
// be shipped. Every platform gives fma, sqrt, round_even, bits and from_bits; the rest is here, so that its bits are the same
// everywhere.
#pragma once

namespace kfac {

constexpr float infinity = __builtin_huge_valf();

static __device__ __forceinline__ float abs(float x) { return from_bits(bits(x) & 0x7fffffffu); }
static __device__ __forceinline__ float min(float a, float b) { return a < b ? a : b; }
static __device__ __forceinline__ float max(float a, float b) { return a > b ? a : b; }
static __device__ __forceinline__ bool is_nan(float x) { return x != x; }

// Two roundings.
static __device__ __forceinline__ float rsqrt(float x) { return 1.0f / sqrt(x); }

// 2^n for -126 <= n <= 127.
static __device__ __forceinline__ float power_of_two(int n) { return from_bits(static_cast<unsigned>(n + 127) << 23); }

// e^x within 1.2 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor polynomial of degree 7, and 2^n in two factors so
// that results below the smallest normal number are rounded once.
static __device__ __forceinline__ float exp(float x) {
    const float clamped = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;  // NaN stays
    const float n = round_even(clamped * 1.44269504f);
    float r = fma(n, -0.693359375f, clamped);
    r = fma(n, 2.12194440e-4f, r);
    float p = 1.98412698e-4f;
    p = fma(p, r, 1.38888889e-3f);
    p = fma(p, r, 8.33333333e-3f);
    p = fma(p, r, 4.16666667e-2f);
    p = fma(p, r, 1.66666667e-1f);
    p = fma(p, r, 0.5f);
    p = fma(p, r, 1.0f);
    p = fma(p, r, 1.0f);
    if (is_nan(x)) {
        return x;
    }

    const int power = static_cast<int>(n);
    const int half = power / 2;
    return p * power_of_two(half) * power_of_two(power - half);
}

// ln x within 2 ulp: x = 2^n m with sqrt(1/2) <= m < sqrt(2), ln m = 2 artanh(s), s = (m - 1)/(m + 1).
static __device__ __forceinline__ float log(float x) {
    if (!(x > 0.0f)) {
        return x == 0.0f ? -infinity : from_bits(0x7fc00000u);
    }

    if (x == infinity) {
        return x;
    }

    const bool tiny = x < 1.17549435e-38f;
    const unsigned word = bits(tiny ? x * 8388608.0f : x);
    const int offset = static_cast<int>(word - 0x3f3504f3u) >> 23;  // 0x3f3504f3 is sqrt(1/2)
    const float m = from_bits(word - (static_cast<unsigned>(offset) << 23));
    const float n = static_cast<float>(offset - (tiny ? 23 : 0));
    const float f = m - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    float p = 0.15382762f;  // 2/13
    p = fma(p, z, 0.18181818f);
    p = fma(p, z, 0.22222222f);
    p = fma(p, z, 0.28571429f);
    p = fma(p, z, 0.4f);
    p = fma(p, z, 0.66666667f);
    const float half_square = 0.5f * f * f;
    // ln(1 + f) = f - f²/2 + s (f²/2 + z p): the large term f is added last.
    const float small = fma(s, fma(z, p, half_square), n * 9.0580006e-6f);
    return fma(n, 0.69313812f, f - (half_square - small));
}

// tanh x within 3 ulp.
static __device__ __forceinline__ float tanh(float x) {
    const float a = abs(x);
    float t;
    if (a < 0.55f) {
        // Taylor polynomial of degree 17.
        const float z = x * x;
        float p = 5.92128e-4f;
        p = fma(p, z, -1.4558344e-3f);
        p = fma(p, z, 3.5921280e-3f);
        p = fma(p, z, -8.8632355e-3f);
        p = fma(p, z, 2.1869488e-2f);
        p = fma(p, z, -5.3968254e-2f);
        p = fma(p, z, 1.3333333e-1f);
        p = fma(p, z, -3.3333333e-1f);
        t = fma(p * z, a, a);
    } else {
        t = a > 10.0f ? 1.0f : 1.0f - 2.0f / (exp(2.0f * a) + 1.0f);
    }

    return is_nan(x) ? x : from_bits(bits(t) | (bits(x) & 0x80000000u));
}

}  // namespace kfac
