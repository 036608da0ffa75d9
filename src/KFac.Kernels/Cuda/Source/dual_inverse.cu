// The transpose of the rows, which is what a Gram matrix of rows is made from: tiles of 32×32 turned in shared memory.
#include "platform.cuh"

struct DualTransposeArguments {
    const float* x;
    float* y;
    long long x_stride, y_stride;
    int rows, columns;  // of x
};

// y[j, i] <- x[i, j]. A block of 32×8 threads takes a tile; tiles along a row of x follow each other.
KFAC_KERNEL(dual_transpose, DualTransposeArguments, 256) {
    __shared__ float tile[32][33];
    const int across = (args.columns + 31) / 32;
    const int row = static_cast<int>(blockIdx.x) / across * 32, column = static_cast<int>(blockIdx.x) % across * 32;
    const int lane = static_cast<int>(threadIdx.x) % 32, first = static_cast<int>(threadIdx.x) / 32;
    for (int i = first; i < 32; i += 8) {
        if (row + i < args.rows && column + lane < args.columns) {
            tile[i][lane] = args.x[(row + i) * args.x_stride + column + lane];
        }
    }

    __syncthreads();
    for (int j = first; j < 32; j += 8) {
        if (column + j < args.columns && row + lane < args.rows) {
            args.y[(column + j) * args.y_stride + row + lane] = tile[lane][j];
        }
    }
}
