// What activations and losses need beyond math.cuh: sigmoid, ln(1 + t), the normal distribution. NaN goes in and comes out.
#pragma once

#include "platform.cuh"

namespace kfac {

// 1/(1 + e^-x) where `tail` is e^-|x|: relative accuracy in either tail.
static __device__ __forceinline__ float sigmoid(float x, float tail) { return (x < 0.0f ? tail : 1.0f) / (1.0f + tail); }
static __device__ __forceinline__ float sigmoid(float x) { return sigmoid(x, exp(-abs(x))); }

// ln(1 + t) for t from 0 to 1: 2 artanh(t/(2 + t)), minimax polynomial of degree 9, 5e-9.
static __device__ __forceinline__ float log_one_plus(float t) {
    const float s = t / (2.0f + t);
    const float z = s * s;
    float p = 0.14005992f;
    p = fma(p, z, 0.14000903f);
    p = fma(p, z, 0.20010764f);
    p = fma(p, z, 0.33333208f);
    const float twice = s + s;
    return fma(twice * z, p, twice);
}

constexpr float normal_tail_zero = 14.5f;  // beyond, the normal tail is 0 in float32

// The normal distribution function of x, and e^(-x²/2) in `bell`. The tail Q(u) is e^(-u²/2) R(u), where (u + 4) R(u) is a
// polynomial of degree 9 in (u - 4)/(u + 4) (after Shepherd and Laframboise 1981), minimax in relative error, 1e-8.
static __device__ __forceinline__ float normal_distribution(float x, float& bell) {
    const float magnitude = abs(x);
    const float u = magnitude > normal_tail_zero ? normal_tail_zero : magnitude;  // NaN stays
    // u² in two parts: the square of the upper half of u's digits, which is exact, and the rest.
    const float high = from_bits(bits(u) & 0xfffff000u);
    bell = exp(-0.5f * (high * high)) * exp(-0.5f * ((u - high) * (u + high)));
    const float reciprocal = 1.0f / (u + 4.0f);
    const float q = (u - 4.0f) * reciprocal;
    float p = -0.00013197176f;
    p = fma(p, q, 0.00017935429f);
    p = fma(p, q, 0.0015699235f);
    p = fma(p, q, -0.003512554f);
    p = fma(p, q, -0.0075252713f);
    p = fma(p, q, 0.06040383f);
    p = fma(p, q, -0.18652344f);
    p = fma(p, q, 0.3871369f);
    p = fma(p, q, -0.6078966f);
    p = fma(p, q, 0.75528514f);
    const float tail = bell * (p * reciprocal);
    return x < 0.0f ? tail : 1.0f - tail;
}

// x times the normal distribution function; 0 at -infinity.
static __device__ __forceinline__ float gelu(float x) {
    float bell;
    const float distribution = normal_distribution(x, bell);
    return (x < -normal_tail_zero ? -normal_tail_zero : x) * distribution;
}

static __device__ __forceinline__ float gelu_derivative(float x) {
    float bell;
    const float distribution = normal_distribution(x, bell);
    const float limited = x < -normal_tail_zero ? -normal_tail_zero : x > normal_tail_zero ? normal_tail_zero : x;
    return fma(limited * 0.398942280f, bell, distribution);
}

}  // namespace kfac
