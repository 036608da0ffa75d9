// tensorcore.cuh on the host: the lanes of a warp bring their fragments, the last one multiplies. Products are exact and are added
// in float32, k ascending; a GPU adds several at a time, which differs by roundings.
#pragma once

namespace kfac_host {

// Words 0 to 3 of each lane are its fragment of a, 4 and 5 that of b, 6 to 9 that of d, which becomes d + a·b (tensorcore.cpp).
void multiply_tf32(Lanes& lanes);
void multiply_bf16(Lanes& lanes);

static inline void mma(
    const char* operation, void (*multiply)(Lanes&), float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const char* file, int line) {
    unsigned words[10];
    __builtin_memcpy(words, a, 16);
    __builtin_memcpy(words + 4, b, 8);
    __builtin_memcpy(words + 6, d, 16);
    const Lanes& lanes = exchange(operation, 0xffffffffu, words, 10, file, line, multiply);
    __builtin_memcpy(d, lanes.words[current->lane] + 6, 16);
}

}  // namespace kfac_host

namespace kfac {

static inline void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], KFAC_HERE) {
    kfac_host::mma("mma_m16n8k8_tf32", kfac_host::multiply_tf32, d, a, b, file, line);
}
static inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], KFAC_HERE) {
    kfac_host::mma("mma_m16n8k16_bf16", kfac_host::multiply_bf16, d, a, b, file, line);
}

static inline unsigned to_tf32(float x) {
    const unsigned word = bits(x);
    const bool finite = (word & 0x7f800000u) != 0x7f800000u;
    return finite ? (word + 0x1000u) & 0xffffe000u : word;
}

static inline unsigned to_bf16(float x) {
    const unsigned word = bits(x);
    return x != x ? 0x7fffu : (word + 0x7fffu + (word >> 16 & 1)) >> 16;
}
static inline unsigned to_bf16_pair(float low, float high) { return to_bf16(high) << 16 | to_bf16(low); }

}  // namespace kfac
