// Cholesky factorisation A + λI = L Lᵀ by 64 columns at a time: the diagonal tile in one block, the tiles below it by substitution,
// row by row, then the rest of the triangle. L goes where the result goes, so A may be L.
#include "square_tile.cuh"
#include "triangle.cuh"

struct CholeskyArguments {
    const float* matrix;
    float* lower;
    float* work;  // size·size, size rounded up to a multiple of 64
    int* status;
    long long matrix_stride, lower_stride, work_stride;
    int size;
    int step;
    float damping;
    int padding;
};

namespace kfac {

static __device__ __forceinline__ float* work_tile(const CholeskyArguments& args, int row, int column) {
    return args.work + row * square_tile * args.work_stride + column * square_tile;
}

}  // namespace kfac

// The lower triangle of A + λI, padded with the identity.
KFAC_KERNEL(cholesky_load, CholeskyArguments, kfac::square_threads) {
    int row, column;
    kfac::find_triangle_tile(static_cast<int>(blockIdx.x), row, column);
    float* const tile = kfac::work_tile(args, row, column);
    for (int e = static_cast<int>(threadIdx.x); e < kfac::square_tile * kfac::square_tile; e += kfac::square_threads) {
        const int i = e / kfac::square_tile, j = e % kfac::square_tile;
        const int matrix_row = row * kfac::square_tile + i, matrix_column = column * kfac::square_tile + j;
        float value = matrix_row == matrix_column ? 1.0f : 0.0f;
        if (matrix_row < args.size && matrix_column <= matrix_row) {
            value = args.matrix[matrix_row * args.matrix_stride + matrix_column] + (matrix_row == matrix_column ? args.damping : 0.0f);
        }

        tile[i * args.work_stride + j] = value;
    }

    if (blockIdx.x == 0 && threadIdx.x == 0) {
        *args.status = 0;
    }
}

// The diagonal tile, one pivot after the other. A pivot that is not positive and finite is reported; what follows is undefined.
KFAC_KERNEL(cholesky_pivot, CholeskyArguments, kfac::square_threads) {
    __shared__ float block[kfac::square_tile][kfac::square_tile + 1];
    float* const tile = kfac::work_tile(args, args.step, args.step);
    const int thread = static_cast<int>(threadIdx.x);
    for (int e = thread; e < kfac::square_tile * kfac::square_tile; e += kfac::square_threads) {
        block[e / kfac::square_tile][e % kfac::square_tile] = tile[e / kfac::square_tile * args.work_stride + e % kfac::square_tile];
    }

    int bad = -1;
    for (int p = 0; p < kfac::square_tile; ++p) {
        __syncthreads();
        const float pivot = block[p][p];
        const float root = kfac::sqrt(pivot);
        bad = bad < 0 && !(pivot > 0.0f && pivot < kfac::infinity) ? p : bad;
        __syncthreads();
        if (thread >= p && thread < kfac::square_tile) {
            block[thread][p] = thread == p ? root : block[thread][p] / root;
        }

        __syncthreads();
        for (int e = thread; e < kfac::square_tile * kfac::square_tile; e += kfac::square_threads) {
            const int i = e / kfac::square_tile, j = e % kfac::square_tile;
            if (j > p && j <= i) {
                block[i][j] = kfac::fma(-block[i][p], block[j][p], block[i][j]);
            }
        }
    }

    __syncthreads();
    for (int e = thread; e < kfac::square_tile * kfac::square_tile; e += kfac::square_threads) {
        tile[e / kfac::square_tile * args.work_stride + e % kfac::square_tile] = block[e / kfac::square_tile][e % kfac::square_tile];
    }

    if (thread == 0 && bad >= 0 && *args.status == 0) {
        *args.status = 1 + args.step * kfac::square_tile + bad;
    }
}

// X Lᵀ = A for the tiles below the diagonal one: a thread solves for one row.
KFAC_KERNEL(cholesky_panel, CholeskyArguments, kfac::square_tile) {
    __shared__ float pivot[kfac::square_tile][kfac::square_tile + 1];
    __shared__ float rows[kfac::square_tile][kfac::square_tile + 1];
    const float* const pivot_tile = kfac::work_tile(args, args.step, args.step);
    float* const tile = kfac::work_tile(args, args.step + 1 + static_cast<int>(blockIdx.x), args.step);
    const int thread = static_cast<int>(threadIdx.x);
    for (int i = 0; i < kfac::square_tile; ++i) {
        pivot[i][thread] = pivot_tile[i * args.work_stride + thread];
        rows[i][thread] = tile[i * args.work_stride + thread];
    }

    __syncthreads();
    float* const row = rows[thread];
    for (int j = 0; j < kfac::square_tile; ++j) {
        float sum = row[j];
        for (int k = 0; k < j; ++k) {
            sum = kfac::fma(-row[k], pivot[j][k], sum);
        }

        row[j] = sum / pivot[j][j];
    }

    __syncthreads();
    for (int i = 0; i < kfac::square_tile; ++i) {
        tile[i * args.work_stride + thread] = rows[i][thread];
    }
}

// The triangle behind the panel, less the panel's product with itself.
KFAC_KERNEL(cholesky_update, CholeskyArguments, kfac::square_threads) {
    __shared__ kfac::TileOperands<float> shared;
    int i, j;
    kfac::find_triangle_tile(static_cast<int>(blockIdx.x), i, j);
    i += args.step + 1;
    j += args.step + 1;
    const float* const left = kfac::work_tile(args, i, args.step);
    const float* const right = kfac::work_tile(args, j, args.step);
    float* const tile = kfac::work_tile(args, i, j);
    float sum[4][4] = {};
    kfac::multiply_tile(
        sum, shared, [&](int line, int depth) { return left[line * args.work_stride + depth]; },
        [&](int line, int depth) { return right[line * args.work_stride + depth]; });
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            tile[kfac::tile_row(r) * args.work_stride + kfac::tile_column(c)] -= sum[r][c];
        }
    }
}

// L with zeros above its diagonal; tiles of the whole square.
KFAC_KERNEL(cholesky_store, CholeskyArguments, kfac::square_threads) {
    const int row = static_cast<int>(blockIdx.y), column = static_cast<int>(blockIdx.x);
    const float* const tile = kfac::work_tile(args, row, column);
    for (int e = static_cast<int>(threadIdx.x); e < kfac::square_tile * kfac::square_tile; e += kfac::square_threads) {
        const int i = row * kfac::square_tile + e / kfac::square_tile, j = column * kfac::square_tile + e % kfac::square_tile;
        if (i < args.size && j < args.size) {
            args.lower[i * args.lower_stride + j] =
                j <= i ? tile[e / kfac::square_tile * args.work_stride + e % kfac::square_tile] : 0.0f;
        }
    }
}
