// Gram matrices C ← α·X̃ᵀX̃ + β·C: gram_kernel.cuh as accurate as float32 on tensor cores, and for every precision what makes C of
// the products. X that is to be reduced goes through gram_reduce first, one row per example.
#include "gram_kernel.cuh"

KFAC_GRAMS(split)

struct GramFinishArguments {
    const float* parts;
    const float* column_sums;
    float* gram;
    long long part_stride, part_size, gram_stride;
    long long gram_batch;  // elements from one result of the batch to the next
    int columns;
    int append_ones;
    int parts_count;  // without parts the sums are zero
    float ones;       // rows: what the column of ones makes of itself
    float alpha, beta;
};

// One 32×32 tile of the lower triangle and its mirror image, batch along z; 256 threads, 32 of them along a row.
KFAC_KERNEL(gram_finish, GramFinishArguments, 256) {
    __shared__ float tile[32][33];
    int first_row, first_column;
    kfac::find_triangle_tile(static_cast<int>(blockIdx.x), first_row, first_column);
    first_row *= 32;
    first_column *= 32;
    const int width = args.columns + args.append_ones;
    const long long batch = blockIdx.z, slot = batch * args.parts_count;
    float* const gram = args.gram + batch * args.gram_batch;
    const int x = static_cast<int>(threadIdx.x) % 32, y = static_cast<int>(threadIdx.x) / 32;
    for (int i = y; i < 32; i += 8) {
        const int row = first_row + i, column = first_column + x;
        if (row < width && column <= row) {
            float sum = 0.0f;
            if (row < args.columns) {
                for (int part = 0; part < args.parts_count; ++part) {
                    sum += args.parts[(slot + part) * args.part_size + row * args.part_stride + column];
                }
            } else if (column < args.columns) {
                for (int part = 0; part < args.parts_count; ++part) {
                    sum += args.column_sums[(slot + part) * args.columns + column];
                }
            } else {
                sum = args.ones;
            }

            float& c = gram[row * args.gram_stride + column];
            const float value = args.beta == 0.0f ? args.alpha * sum : kfac::fma(args.beta, c, args.alpha * sum);
            c = value;
            tile[i][x] = value;
        }
    }

    __syncthreads();
    for (int i = y; i < 32; i += 8) {
        const int row = first_column + i, column = first_row + x;
        if (column < width && row < column) {
            gram[row * args.gram_stride + column] = tile[x][i];
        }
    }
}
