// The products of host_tensorcore.h, once a warp. Which lane holds which element: tensorcore.cuh.
#include "host_block.h"

#include <string.h>

namespace kfac_host {

void multiply_tf32(Lanes& lanes);
void multiply_bf16(Lanes& lanes);

namespace {

float as_float(unsigned word) {
    float value;
    memcpy(&value, &word, 4);
    return value;
}

// d (16 by 8) += a (16 by K) times b (K by 8).
template <int K>
void multiply(Lanes& lanes, const float (&a)[16][K], const float (&b)[K][8]) {
    for (int lane = 0; lane < 32; lane++) {
        for (int i = 0; i < 4; i++) {
            const int row = lane / 4 + (i / 2) * 8;
            const int column = lane % 4 * 2 + i % 2;
            float sum = as_float(lanes.words[lane][6 + i]);
            for (int k = 0; k < K; k++) {
                sum += a[row][k] * b[k][column];
            }

            memcpy(&lanes.words[lane][6 + i], &sum, 4);
        }
    }
}

}  // namespace

void multiply_tf32(Lanes& lanes) {
    float a[16][8], b[8][8];
    for (int lane = 0; lane < 32; lane++) {
        const int g = lane / 4, t = lane % 4;
        const unsigned* words = lanes.words[lane];
        for (int i = 0; i < 4; i++) {
            a[g + i % 2 * 8][t + i / 2 * 4] = as_float(words[i] & 0xffffe000u);
        }

        for (int i = 0; i < 2; i++) {
            b[t + i * 4][g] = as_float(words[4 + i] & 0xffffe000u);
        }
    }

    multiply(lanes, a, b);
}

void multiply_bf16(Lanes& lanes) {
    float a[16][16], b[16][8];
    for (int lane = 0; lane < 32; lane++) {
        const int g = lane / 4, t = lane % 4;
        const unsigned* words = lanes.words[lane];
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 4; i++) {
                a[g + i % 2 * 8][2 * t + half + i / 2 * 8] = as_float(half == 0 ? words[i] << 16 : words[i] & 0xffff0000u);
            }

            for (int i = 0; i < 2; i++) {
                b[2 * t + half + i * 8][g] = as_float(half == 0 ? words[4 + i] << 16 : words[4 + i] & 0xffff0000u);
            }
        }
    }

    multiply(lanes, a, b);
}

}  // namespace kfac_host
