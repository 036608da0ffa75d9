// Visits each element of a matrix once; the grid may be smaller than the matrix (ElementGrid.cs makes it).
#pragma once

#include "platform.cuh"

namespace kfac {

template <typename Body>
static __device__ __forceinline__ void for_each_element(int rows, int columns, Body body) {
    const int across = static_cast<int>(gridDim.x * blockDim.x);
    for (int row = static_cast<int>(blockIdx.y); row < rows; row += static_cast<int>(gridDim.y)) {
        for (int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); column < columns; column += across) {
            body(row, column);
        }
    }
}

}  // namespace kfac
