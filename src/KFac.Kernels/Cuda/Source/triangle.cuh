// Tiles of a lower triangle, counted row by row: 0 is (0, 0), 1 is (1, 0), 2 is (1, 1), 3 is (2, 0), …
#pragma once

#include "platform.cuh"

namespace kfac {

static __device__ __forceinline__ void find_triangle_tile(int index, int& row, int& column) {
    row = static_cast<int>((sqrt(8.0f * static_cast<float>(index) + 1.0f) - 1.0f) * 0.5f);
    while (row * (row + 1) / 2 > index) {
        --row;
    }

    while ((row + 1) * (row + 2) / 2 <= index) {
        ++row;
    }

    column = index - row * (row + 1) / 2;
}

}  // namespace kfac
