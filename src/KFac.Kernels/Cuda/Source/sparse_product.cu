// SparseProduct: a row of Y goes to as many lanes of a warp as it has packs of columns, a power of two of them; each lane adds the row's
// entries in their order. Lanes of a group read the same index and value, neighbouring lanes neighbouring columns.
#include "element_grid.cuh"

struct SparseProductArguments {
    const int* offsets;
    const int* indices;
    const float* values;
    const float* x;
    float* y;
    long long x_stride;
    long long y_stride;
    kfac::ElementRange range;  // rows: of all blocks
    int rows;                  // of S
    int columns;               // of S
    int lanes;                 // that share a row of Y
    float alpha;
    float beta;
};

template <int W>
static __device__ __forceinline__ void sum_entries(const SparseProductArguments& args, int row, int column) {
    const int sparse_row = row % args.rows;
    const float* x = args.x + static_cast<long long>(row / args.rows) * args.columns * args.x_stride + column;
    const int end = args.offsets[sparse_row + 1];
    kfac::Pack<W> sum = {};
    // Four loads of X are on their way before the first is used.
    int entry = args.offsets[sparse_row];
    for (; entry + 4 <= end; entry += 4) {
        kfac::Pack<W> rows[4];
        float values[4];
        for (int i = 0; i < 4; i++) {
            rows[i] = kfac::load(kfac::Width<W>(), x + args.indices[entry + i] * args.x_stride);
            values[i] = args.values[entry + i];
        }

        for (int i = 0; i < 4; i++) {
            sum = kfac::map(rows[i], sum, [&](float v, float s) { return kfac::fma(values[i], v, s); });
        }
    }

    for (; entry < end; entry++) {
        const float value = args.values[entry];
        const auto v = kfac::load(kfac::Width<W>(), x + args.indices[entry] * args.x_stride);
        sum = kfac::map(v, sum, [&](float a, float s) { return kfac::fma(value, a, s); });
    }

    float* y = args.y + row * args.y_stride + column;
    sum = kfac::map(sum, [&](float s) { return args.alpha * s; });
    if (args.beta != 0.0f) {
        sum = kfac::map(kfac::load(kfac::Width<W>(), y), sum, [&](float old, float s) { return kfac::fma(args.beta, old, s); });
    }

    kfac::store(y, sum);
}

KFAC_KERNEL(sparse_product, SparseProductArguments, 256) {
    const int thread = static_cast<int>(threadIdx.x), lane = thread % args.lanes;
    const int rows_per_block = static_cast<int>(blockDim.x) / args.lanes;
    const int packed = args.range.pack == 4 ? args.range.columns / 4 * 4 : 0;
    const int step = static_cast<int>(gridDim.x) * rows_per_block;
    for (int row = static_cast<int>(blockIdx.x) * rows_per_block + thread / args.lanes; row < args.range.rows; row += step) {
        for (int column = 4 * lane; column < packed; column += 4 * args.lanes) {
            sum_entries<4>(args, row, column);
        }

        for (int column = packed + lane; column < args.range.columns; column += args.lanes) {
            sum_entries<1>(args, row, column);
        }
    }
}
