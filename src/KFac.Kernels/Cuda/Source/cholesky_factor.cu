// Packed Cholesky factors of many symmetric positive definite matrices at once, A + λI = L Lᵀ in float32 or float64 by 48 columns:
//
//   D = L[k][k]⁻¹,   L[i][k] = W[i][k] Dᵀ,   W[i][j] -= L[i][k] L[j][k]ᵀ  for i >= j > k,
//
// where D takes the place of the diagonal block: solves need nothing else of it. All matrices of a batch take a step in the same three
// launches. Only tiles of the lower triangle are kept, padded with the identity to whole tiles; the last launch rounds them to float32 and writes
// every tile twice, as it is and turned (packed_factor.cuh).
// A tile is 256 threads with 3×3 elements each, from two operands that are in shared memory as a whole.
#include "packed_factor.cuh"
#include "square_tile.cuh"
#include "triangle.cuh"

namespace kfac {

constexpr int most_factor_items = 32;
constexpr int factor_threads = 256;

}  // namespace kfac

struct CholeskyFactorItem {
    const float* matrix;
    float* factor;
    void* work;  // W of size·size, size rounded up to a multiple of 48
    int* status;
    long long matrix_stride;
    int size;
    float damping;
};

struct CholeskyFactorArguments {
    CholeskyFactorItem items[kfac::most_factor_items];
    int step;
    int padding;
};

namespace kfac {

// One matrix in working memory.
template <typename T>
struct FactorWork {
    T* w;
    int blocks;
    long long stride;

    __device__ __forceinline__ explicit FactorWork(const CholeskyFactorItem& item)
        : w(static_cast<T*>(item.work)),
          blocks((item.size + factor_block - 1) / factor_block),
          stride(static_cast<long long>(blocks) * factor_block) {}

    __device__ __forceinline__ T* tile(int row, int column) const { return w + row * factor_block * stride + column * factor_block; }

    __device__ __forceinline__ bool has(int index) const { return index < blocks * (blocks + 1) / 2; }
};

// Two operands. Rows are 16 bytes longer than their elements, so that reads of 16 bytes from neighbouring rows meet different banks.
template <typename T>
struct FactorOperands {
    static constexpr int row = factor_block + run<T>;
    __align__(16) T left[factor_block][row];
    __align__(16) T right[factor_block][row];
};

// Calls use(i, j) for the elements of a tile, neighbours in a row by neighbouring threads.
template <typename Use>
static __device__ __forceinline__ void for_each_element(Use use) {
#pragma unroll
    for (int e = 0; e < factor_square; e += factor_threads) {
        const int element = e + static_cast<int>(threadIdx.x);
        use(element / factor_block, element % factor_block);
    }
}

// sum(i, j) = Σ_k left(i, k) right(j, k); both tiles have rows of `stride` elements in global memory.
template <typename T>
static __device__ __forceinline__ void multiply_factor_tiles(
    T (&sum)[3][3], FactorOperands<T>& shared, const T* left, const T* right, long long stride) {
    for_each_element([&](int i, int j) {
        shared.left[i][j] = left[i * stride + j];
        shared.right[i][j] = right[i * stride + j];
    });
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < factor_block; k += run<T>) {
        T a[3][run<T>], b[3][run<T>];
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            load_run(a[i], &shared.left[tile_row(i)][k]);
            load_run(b[i], &shared.right[tile_column(i)][k]);
        }

#pragma unroll
        for (int e = 0; e < run<T>; ++e) {
#pragma unroll
            for (int r = 0; r < 3; ++r) {
#pragma unroll
                for (int c = 0; c < 3; ++c) {
                    sum[r][c] = fma(a[r][e], b[c][e], sum[r][c]);
                }
            }
        }
    }
}

// W <- A + λI, padded with the identity; diagonal tiles as a whole.
template <typename T>
static __device__ __forceinline__ void load_factor(const CholeskyFactorArguments& args) {
    const CholeskyFactorItem& item = args.items[blockIdx.y];
    const FactorWork<T> work(item);
    const int index = static_cast<int>(blockIdx.x);
    if (index == 0 && threadIdx.x == 0) {
        *item.status = 0;
    }

    if (!work.has(index)) {
        return;
    }

    int row, column;
    find_triangle_tile(index, row, column);
    T* const tile = work.tile(row, column);
    for_each_element([&](int r, int c) {
        const int i = row * factor_block + r, j = column * factor_block + c;
        const int lower_row = max(i, j), lower_column = min(i, j);
        T value = T(i == j);
        if (lower_row < item.size) {
            value = static_cast<T>(item.matrix[lower_row * item.matrix_stride + lower_column]);
            value += i == j ? static_cast<T>(item.damping) : T(0);
        }

        tile[r * work.stride + c] = value;
    });
}

// W[k][k] <- D, one pivot p after the other: elimination of W with the identity beside it, of which columns up to p take the place of those
// that are done. With v the row p of what is beside (before p) and the column p of W (from p on), divided by the pivot's root,
// row p becomes v, and rows i below it lose v[i] v.
// Everything waits for this one block, so a pivot is made short: a thread keeps its 3×3 elements in registers, and only v goes through shared
// memory, in two places in turn. A pivot that is not positive and finite, or whose reciprocal float32 cannot hold, ends the item.
template <typename T>
static __device__ __forceinline__ void invert_factor_pivot(const CholeskyFactorArguments& args, T (*lines)[factor_block]) {
    const CholeskyFactorItem& item = args.items[blockIdx.x];
    const FactorWork<T> work(item);
    if (args.step >= work.blocks) {
        return;
    }

    T* const tile = work.tile(args.step, args.step);
    const int y = static_cast<int>(threadIdx.x) / 16, x = static_cast<int>(threadIdx.x) % 16;
    T own[3][3];
#pragma unroll
    for (int r = 0; r < 3; ++r) {
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            own[r][c] = tile[tile_row(r) * work.stride + tile_column(c)];
        }
    }

    int bad = -1;
#pragma unroll
    for (int third = 0; third < 3; ++third) {
#pragma unroll 1
        for (int q = 0; q < 16; ++q) {
            const int p = 16 * third + q;
            T* const line = lines[q % 2];
#pragma unroll
            for (int e = 0; e < 3; ++e) {
                if (x == q && tile_row(e) >= p) {
                    line[tile_row(e)] = own[e][third];
                }

                if (y == q && tile_column(e) < p) {
                    line[tile_column(e)] = own[third][e];
                }
            }

            __syncthreads();
            const T pivot = line[p];
            const T scale = T(1) / sqrt(pivot);
            const float reciprocal = static_cast<float>(scale * scale);
            const bool good = pivot > T(0) && pivot - pivot == T(0) && reciprocal - reciprocal == 0.0f;
            bad = bad < 0 && !good ? p : bad;
            T down[3], along[3];
#pragma unroll
            for (int e = 0; e < 3; ++e) {
                down[e] = line[tile_row(e)] * scale;
                along[e] = tile_column(e) == p ? scale : line[tile_column(e)] * scale;
            }

#pragma unroll
            for (int r = 0; r < 3; ++r) {
#pragma unroll
                for (int c = 0; c < 3; ++c) {
                    const T before = tile_column(c) == p ? T(0) : own[r][c];
                    const T below = fma(-down[r], along[c], before);
                    own[r][c] = tile_row(r) > p ? below : tile_row(r) == p && tile_column(c) <= p ? along[c] : own[r][c];
                }
            }
        }
    }

#pragma unroll
    for (int r = 0; r < 3; ++r) {
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            tile[tile_row(r) * work.stride + tile_column(c)] = tile_column(c) <= tile_row(r) ? own[r][c] : T(0);
        }
    }

    if (threadIdx.x == 0 && bad >= 0 && *item.status == 0) {
        *item.status = 1 + args.step * factor_block + bad;
    }
}

// L[i][k] = W[i][k] Dᵀ.
template <typename T>
static __device__ __forceinline__ void solve_factor_panel(const CholeskyFactorArguments& args, FactorOperands<T>& shared) {
    const FactorWork<T> work(args.items[blockIdx.y]);
    const int i = args.step + 1 + static_cast<int>(blockIdx.x);
    if (i >= work.blocks) {
        return;
    }

    T* const tile = work.tile(i, args.step);
    T sum[3][3] = {};
    multiply_factor_tiles(sum, shared, tile, work.tile(args.step, args.step), work.stride);
#pragma unroll
    for (int r = 0; r < 3; ++r) {
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            tile[tile_row(r) * work.stride + tile_column(c)] = sum[r][c];
        }
    }
}

// W[i][j] -= L[i][k] L[j][k]ᵀ.
template <typename T>
static __device__ __forceinline__ void update_factor(const CholeskyFactorArguments& args, FactorOperands<T>& shared) {
    const FactorWork<T> work(args.items[blockIdx.y]);
    int i, j;
    find_triangle_tile(static_cast<int>(blockIdx.x), i, j);
    i += args.step + 1;
    j += args.step + 1;
    if (i >= work.blocks) {
        return;
    }

    T* const tile = work.tile(i, j);
    T sum[3][3] = {};
    multiply_factor_tiles(sum, shared, work.tile(i, args.step), work.tile(j, args.step), work.stride);
#pragma unroll
    for (int r = 0; r < 3; ++r) {
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            tile[tile_row(r) * work.stride + tile_column(c)] -= sum[r][c];
        }
    }
}

// Every tile of the triangle as it is, and turned.
template <typename T>
static __device__ __forceinline__ void store_factor(const CholeskyFactorArguments& args, float (*turned)[factor_block + 1]) {
    const CholeskyFactorItem& item = args.items[blockIdx.y];
    const FactorWork<T> work(item);
    const int index = static_cast<int>(blockIdx.x);
    if (!work.has(index)) {
        return;
    }

    int i, j;
    find_triangle_tile(index, i, j);
    const T* const tile = work.tile(i, j);
    float* const forward = item.factor + (squares_before_forward(i) + j) * factor_square;
    float* const backward = item.factor + (squares_before_backward(j, work.blocks) + i - j) * factor_square;
    for_each_element([&](int r, int c) {
        const float value = static_cast<float>(tile[r * work.stride + c]);
        backward[r * factor_block + c] = value;
        turned[c][r] = value;
    });
    __syncthreads();
    for_each_element([&](int r, int c) { forward[r * factor_block + c] = turned[r][c]; });
}

}  // namespace kfac

#define KFAC_CHOLESKY_FACTOR(T)                                                                                \
    KFAC_KERNEL(factor_load_##T, CholeskyFactorArguments, kfac::factor_threads) { kfac::load_factor<T>(args); } \
    KFAC_KERNEL(factor_pivot_##T, CholeskyFactorArguments, kfac::factor_threads) {                             \
        __shared__ T lines[2][kfac::factor_block];                                                             \
        kfac::invert_factor_pivot<T>(args, lines);                                                             \
    }                                                                                                          \
    KFAC_KERNEL(factor_panel_##T, CholeskyFactorArguments, kfac::factor_threads) {                             \
        __shared__ kfac::FactorOperands<T> shared;                                                             \
        kfac::solve_factor_panel<T>(args, shared);                                                             \
    }                                                                                                          \
    KFAC_KERNEL(factor_update_##T, CholeskyFactorArguments, kfac::factor_threads) {                            \
        __shared__ kfac::FactorOperands<T> shared;                                                             \
        kfac::update_factor<T>(args, shared);                                                                  \
    }                                                                                                          \
    KFAC_KERNEL(factor_store_##T, CholeskyFactorArguments, kfac::factor_threads) {                             \
        __shared__ float turned[kfac::factor_block][kfac::factor_block + 1];                                   \
        kfac::store_factor<T>(args, turned);                                                                   \
    }

KFAC_CHOLESKY_FACTOR(float)
KFAC_CHOLESKY_FACTOR(double)
