// SparseMaximum: a row of the output goes to as many lanes of a warp as it has columns, a power of two of them; each lane walks over the
// row's entries in their order, neighbouring lanes in neighbouring columns.
#include "platform.cuh"

struct SparseMaximumArguments {
    const int* offsets;
    const int* indices;
    const float* input;
    int* winners;
    float* output;
    long long input_stride;
    long long winner_stride;
    long long output_stride;
    int rows;     // of the sparse matrix
    int columns;  // of it
    int output_rows;
    int width;
    int lanes;  // that share a row
    float beta;
};

// Calls body(row, column) for each element of the output.
template <typename Body>
static __device__ __forceinline__ void for_each_output(const SparseMaximumArguments& args, Body body) {
    const int thread = static_cast<int>(threadIdx.x), rows_per_block = static_cast<int>(blockDim.x) / args.lanes;
    const int step = static_cast<int>(gridDim.x) * rows_per_block;
    for (int row = static_cast<int>(blockIdx.x) * rows_per_block + thread / args.lanes; row < args.output_rows; row += step) {
        for (int column = thread % args.lanes; column < args.width; column += args.lanes) {
            body(row, column);
        }
    }
}

// The first of equal ones; the first NaN, which is larger than any number.
KFAC_KERNEL(sparse_maximum, SparseMaximumArguments, 256) {
    for_each_output(args, [&](int row, int column) {
        float best = 0.0f;
        int winner = -1;
        const int end = args.offsets[row + 1];
        for (int entry = args.offsets[row]; entry < end && !kfac::is_nan(best); entry++) {
            const int index = args.indices[entry];
            const float value = args.input[index * args.input_stride + column];
            if (winner < 0 || value > best || kfac::is_nan(value)) {
                best = value;
                winner = index;
            }
        }

        args.output[row * args.output_stride + column] = best;
        args.winners[row * args.winner_stride + column] = winner;
    });
}

// Gathers along the transposed matrix: what row k of a block gets from those whose maximum it was.
KFAC_KERNEL(sparse_maximum_backward, SparseMaximumArguments, 256) {
    for_each_output(args, [&](int row, int column) {
        const int sparse_row = row % args.rows;
        const float* const block = args.input + static_cast<long long>(row / args.rows) * args.columns * args.input_stride + column;
        float sum = 0.0f;
        const int end = args.offsets[sparse_row + 1];
        for (int entry = args.offsets[sparse_row]; entry < end; entry++) {
            const int index = args.indices[entry];
            if (args.winners[index * args.winner_stride + column] == sparse_row) {
                sum += block[index * args.input_stride];
            }
        }

        float& result = args.output[row * args.output_stride + column];
        result = args.beta == 0.0f ? sum : kfac::fma(args.beta, result, sum);
    });
}
