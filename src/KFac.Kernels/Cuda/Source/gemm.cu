// General matrix products: gemm_kernel.cuh as accurate as float32 on tensor cores, and the sum of parts for every precision.
#include "gemm_kernel.cuh"

KFAC_GEMMS(split, large)
KFAC_GEMMS(split, small)

struct GemmFinishArguments {
    const float* parts;
    float* c;
    long long part_stride, part_size, part_batch;  // elements between rows, parts and matrices of the batch
    long long c_stride, c_batch;
    int m, n, parts_count;
    float alpha, beta;
};

// c ← alpha·(the parts' sum) + beta·c; without parts the sum is zero. A block takes 256 columns; rows along y, batch along z.
KFAC_KERNEL(gemm_finish, GemmFinishArguments, 256) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column >= args.n) {
        return;
    }

    const long long batch = blockIdx.z;
    for (int row = static_cast<int>(blockIdx.y); row < args.m; row += static_cast<int>(gridDim.y)) {
        const float* part = args.parts + batch * args.part_batch + row * args.part_stride + column;
        float sum = 0.0f;
        for (int i = 0; i < args.parts_count; ++i) {
            sum += part[i * args.part_size];
        }

        float& c = args.c[batch * args.c_batch + row * args.c_stride + column];
        c = args.beta == 0.0f ? args.alpha * sum : kfac::fma(args.beta, c, args.alpha * sum);
    }
}
