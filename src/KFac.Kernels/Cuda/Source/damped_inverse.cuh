// Inverses (A + λI)⁻¹ of many symmetric positive definite matrices at once, by blocks of the sweep operator (Goodnight 1979): with
// pivot block D = W[k][k] and C = W[:][k],
//
//   W[i][j] -= C[i] D⁻¹ C[j]ᵀ,   W[i][k] = C[i] D⁻¹,   W[k][k] = -D⁻¹,
//
// which keeps W symmetric, and after the last block W = -(A + λI)⁻¹. n³ operations like Cholesky with inversion, but every step
// updates the whole triangle, so the last steps keep the device as busy as the first, and all matrices of a batch take a step in
// the same three launches. The pivots are Cholesky's. Only tiles of the lower triangle are kept; diagonal tiles are kept whole.
#pragma once

#include "square_tile.cuh"
#include "triangle.cuh"

namespace kfac {

constexpr int most_inverse_items = 32;

}  // namespace kfac

struct InverseItem {
    const float* matrix;
    float* inverse;
    void* work;  // W of size·size, then C and C D⁻¹ of size·64 each; size is rounded up to a multiple of 64
    int* status;
    long long matrix_stride, inverse_stride;
    int size;
    float damping;
};

struct DampedInverseArguments {
    InverseItem items[kfac::most_inverse_items];
    int step;
    int padding;
};

namespace kfac {

// One matrix in working memory.
template <typename T>
struct Sweep {
    T* w;
    T* column;    // C
    T* solution;  // C D⁻¹
    int tiles;
    long long stride;

    __device__ __forceinline__ explicit Sweep(const InverseItem& item)
        : w(static_cast<T*>(item.work)), tiles((item.size + square_tile - 1) / square_tile), stride(static_cast<long long>(tiles) * square_tile) {
        column = w + stride * stride;
        solution = column + stride * square_tile;
    }

    __device__ __forceinline__ T* tile(int row, int column_tile) const {
        return w + row * square_tile * stride + column_tile * square_tile;
    }

    __device__ __forceinline__ bool has(int index) const { return index < tiles * (tiles + 1) / 2; }
};

template <typename T>
static __device__ __forceinline__ bool is_finite(T x) {
    return x - x == T(0);
}

// W <- A + λI, padded with the identity.
template <typename T>
static __device__ __forceinline__ void load_inverse(const DampedInverseArguments& args) {
    const InverseItem& item = args.items[blockIdx.y];
    const Sweep<T> sweep(item);
    const int index = static_cast<int>(blockIdx.x);
    if (index == 0 && threadIdx.x == 0) {
        *item.status = 0;
    }

    if (!sweep.has(index)) {
        return;
    }

    int row, column;
    find_triangle_tile(index, row, column);
    T* const tile = sweep.tile(row, column);
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int i = row * square_tile + tile_row(r), j = column * square_tile + tile_column(c);
            const int lower_row = max(i, j), lower_column = min(i, j);
            T value = T(i == j);
            if (lower_row < item.size) {
                value = static_cast<T>(item.matrix[lower_row * item.matrix_stride + lower_column]);
                value += i == j ? static_cast<T>(item.damping) : T(0);
            }

            tile[tile_row(r) * sweep.stride + tile_column(c)] = value;
        }
    }
}

// W[k][k] <- -D⁻¹, one pivot after the other. A pivot that is not positive and finite, or whose inverse is not finite, ends the item.
// Everything waits for this one block, so a pivot is made short: a thread keeps its 4×4 elements in registers, of the whole tile so
// that nobody waits for its mirror image, and only the pivot's column goes through shared memory, in two places in turn.
template <typename T>
static __device__ __forceinline__ void invert_pivot(const DampedInverseArguments& args, T (*columns)[square_tile]) {
    const InverseItem& item = args.items[blockIdx.x];
    const Sweep<T> sweep(item);
    if (args.step >= sweep.tiles) {
        return;
    }

    T* const tile = sweep.tile(args.step, args.step);
    const int y = static_cast<int>(threadIdx.x) / 16, x = static_cast<int>(threadIdx.x) % 16;
    T own[4][4];
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int i = tile_row(r), j = tile_column(c);
            own[r][c] = i >= j ? tile[i * sweep.stride + j] : tile[j * sweep.stride + i];
        }
    }

    int bad = -1;
#pragma unroll
    for (int quarter = 0; quarter < 4; ++quarter) {
#pragma unroll 1
        for (int q = 0; q < 16; ++q) {
            const int p = 16 * quarter + q;
            T* const column = columns[q % 2];
            if (x == q) {
#pragma unroll
                for (int r = 0; r < 4; ++r) {
                    column[tile_row(r)] = own[r][quarter];
                }
            }

            __syncthreads();
            const T pivot = column[p];
            const T inverse = T(1) / pivot;
            bad = bad < 0 && !(pivot > T(0) && is_finite(pivot) && is_finite(static_cast<float>(inverse))) ? p : bad;
            T down[4], along[4];
#pragma unroll
            for (int r = 0; r < 4; ++r) {
                down[r] = column[tile_row(r)];
                along[r] = column[tile_column(r)];
            }

#pragma unroll
            for (int r = 0; r < 4; ++r) {
#pragma unroll
                for (int c = 0; c < 4; ++c) {
                    // Above the diagonal as the mirror image is computed.
                    const bool lower = r > c || (r == c && y >= x);
                    const T scaled = (lower ? down[r] : along[c]) * inverse;
                    const T value = fma(-scaled, lower ? along[c] : down[r], own[r][c]);
                    const bool in_row = r == quarter && y == q, in_column = c == quarter && x == q;
                    own[r][c] = in_row && in_column ? -inverse : in_row ? along[c] * inverse : in_column ? down[r] * inverse : value;
                }
            }
        }
    }

#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            tile[tile_row(r) * sweep.stride + tile_column(c)] = own[r][c];
        }
    }

    if (threadIdx.x == 0 && bad >= 0 && *item.status == 0) {
        *item.status = 1 + args.step * square_tile + bad;
    }
}

// Keeps C[i] and C[i] D⁻¹, and puts the latter into W.
template <typename T>
static __device__ __forceinline__ void solve_panel(const DampedInverseArguments& args, TileOperands<T>& shared) {
    const Sweep<T> sweep(args.items[blockIdx.y]);
    const int k = args.step, i = static_cast<int>(blockIdx.x);
    if (k >= sweep.tiles || i >= sweep.tiles || i == k) {
        return;
    }

    T* const tile = sweep.tile(max(i, k), min(i, k));
    const T* const pivot = sweep.tile(k, k);
    const long long down = i > k ? sweep.stride : 1, along = i > k ? 1 : sweep.stride;
    const long long first = static_cast<long long>(i) * square_tile * square_tile;
    T sum[4][4] = {};
    multiply_tile(
        sum, shared, [&](int line, int depth) { return tile[line * down + depth * along]; },
        [&](int line, int depth) { return pivot[line * sweep.stride + depth]; });
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int row = tile_row(r), column = tile_column(c);
            sweep.column[first + row * square_tile + column] = tile[row * down + column * along];
            sweep.solution[first + row * square_tile + column] = -sum[r][c];
        }
    }

    __syncthreads();  // every element of the tile has been read
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            tile[tile_row(r) * down + tile_column(c) * along] = -sum[r][c];
        }
    }
}

// W[i][j] -= (C[i] D⁻¹) C[j]ᵀ in every other tile of the triangle.
template <typename T>
static __device__ __forceinline__ void update_inverse(const DampedInverseArguments& args, TileOperands<T>& shared) {
    const Sweep<T> sweep(args.items[blockIdx.y]);
    const int index = static_cast<int>(blockIdx.x);
    if (args.step >= sweep.tiles || !sweep.has(index)) {
        return;
    }

    int i, j;
    find_triangle_tile(index, i, j);
    if (i == args.step || j == args.step) {
        return;
    }

    T* const tile = sweep.tile(i, j);
    const T* const left = sweep.solution + static_cast<long long>(i) * square_tile * square_tile;
    const T* const right = sweep.column + static_cast<long long>(j) * square_tile * square_tile;
    T sum[4][4] = {};
    multiply_tile(
        sum, shared, [&](int line, int depth) { return left[line * square_tile + depth]; },
        [&](int line, int depth) { return right[line * square_tile + depth]; });
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            tile[tile_row(r) * sweep.stride + tile_column(c)] -= sum[r][c];
        }
    }
}

// Writes -W, the lower triangle twice.
template <typename T>
static __device__ __forceinline__ void store_inverse(const DampedInverseArguments& args) {
    const InverseItem& item = args.items[blockIdx.y];
    const Sweep<T> sweep(item);
    const int index = static_cast<int>(blockIdx.x);
    if (!sweep.has(index)) {
        return;
    }

    int row, column;
    find_triangle_tile(index, row, column);
    const T* const tile = sweep.tile(row, column);
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int i = row * square_tile + tile_row(r), j = column * square_tile + tile_column(c);
            if (i < item.size && j <= i) {
                const float value = static_cast<float>(-tile[tile_row(r) * sweep.stride + tile_column(c)]);
                item.inverse[i * item.inverse_stride + j] = value;
                item.inverse[j * item.inverse_stride + i] = value;
            }
        }
    }
}

// The first element of the diagonal that float32 cannot hold, where no pivot has failed; one warp an item.
static __device__ __forceinline__ void check_diagonal(const DampedInverseArguments& args) {
    const InverseItem& item = args.items[blockIdx.x];
    int bad = item.size;
    for (int i = static_cast<int>(threadIdx.x); i < item.size; i += 32) {
        bad = is_finite(item.inverse[i * item.inverse_stride + i]) ? bad : min(bad, i);
    }

    for (int offset = 16; offset > 0; offset /= 2) {
        bad = min(bad, __shfl_xor_sync(0xffffffffu, bad, offset));
    }

    if (threadIdx.x == 0 && bad < item.size && *item.status == 0) {
        *item.status = 1 + bad;
    }
}

}  // namespace kfac

#define KFAC_DAMPED_INVERSE(T)                                                                              \
    KFAC_KERNEL(inverse_load_##T, DampedInverseArguments, kfac::square_threads) { kfac::load_inverse<T>(args); } \
    KFAC_KERNEL(inverse_pivot_##T, DampedInverseArguments, kfac::square_threads) {                          \
        __shared__ T columns[2][kfac::square_tile];                                                         \
        kfac::invert_pivot<T>(args, columns);                                                               \
    }                                                                                                       \
    KFAC_KERNEL(inverse_panel_##T, DampedInverseArguments, kfac::square_threads) {                          \
        __shared__ kfac::TileOperands<T> shared;                                                            \
        kfac::solve_panel<T>(args, shared);                                                                 \
    }                                                                                                       \
    KFAC_KERNEL(inverse_update_##T, DampedInverseArguments, kfac::square_threads) {                         \
        __shared__ kfac::TileOperands<T> shared;                                                            \
        kfac::update_inverse<T>(args, shared);                                                              \
    }                                                                                                       \
    KFAC_KERNEL(inverse_store_##T, DampedInverseArguments, kfac::square_threads) { kfac::store_inverse<T>(args); }
