// Where the parts of a packed Cholesky factor lie (CholeskySolve.cs): squares of 48×48 elements, row-major. For every block column i of
// Lᵀ the squares above its diagonal and D_iᵀ, which is that of L_ijᵀ for j <= i with D for the diagonal; then for every block column j of
// L the squares of D_j and L_ij.
#pragma once

#include "platform.cuh"

namespace kfac {

constexpr int factor_block = 48;
constexpr int factor_square = factor_block * factor_block;

// Squares before block column i of Lᵀ.
static __device__ __forceinline__ long long squares_before_forward(int i) { return static_cast<long long>(i) * (i + 1) / 2; }

// Squares before block column j of L.
static __device__ __forceinline__ long long squares_before_backward(int j, int blocks) {
    return squares_before_forward(blocks) + static_cast<long long>(j) * blocks - static_cast<long long>(j) * (j - 1) / 2;
}

}  // namespace kfac
