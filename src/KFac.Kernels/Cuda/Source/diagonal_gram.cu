// DiagonalGram: sums of squares by column, and of the squared counts of one-hot rows. Blocks leave partial results by shape, which a
// second kernel adds; nothing depends on timing.
#include "platform.cuh"

struct DiagonalGramArguments {
    const float* x;
    float* diagonal;
    double* partial;  // [partials, columns]
    const int* ids;
    const int* starts;  // examples + 1 offsets; null where all examples have `sharing` rows
    long long x_stride;
    int rows;  // of x; ids
    int columns;
    int examples;
    int sharing;
    int scale;     // SharingScale
    int partials;  // chunks of rows or of examples
    int chunk;
    float alpha;
    float beta;
};

constexpr int ids_at_once = 1024;

// 32 columns of a chunk of rows a block: a warp reads along a row, eight warps take every eighth row.
KFAC_KERNEL(squares, DiagonalGramArguments, 256) {
    __shared__ double parts[8][32];
    const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
    const int column = static_cast<int>(blockIdx.x) * 32 + lane;
    const int first = static_cast<int>(blockIdx.y) * args.chunk;
    const int end = args.rows - first > args.chunk ? first + args.chunk : args.rows;
    double total = 0.0;
    if (column < args.columns) {
        for (int row = first + warp; row < end; row += 8) {
            const double x = args.x[row * args.x_stride + column];
            total += x * x;
        }
    }

    parts[warp][lane] = total;
    __syncthreads();
    if (warp == 0 && column < args.columns) {
        for (int other = 1; other < 8; other++) {
            total += parts[other][lane];
        }

        args.partial[static_cast<long long>(blockIdx.y) * args.columns + column] = total;
    }
}

// The square of what a sum over so many rows is multiplied by, from a correctly rounded factor; 0 for no rows.
static __device__ __forceinline__ double weight_of(int scale, int rows) {
    enum { mean, sum };
    const float factor = rows == 0 ? 0.0f
        : scale == mean            ? 1.0f / static_cast<float>(rows)
        : scale == sum             ? 1.0f
                                   : static_cast<float>(1.0 / kfac::sqrt(static_cast<double>(rows)));
    return static_cast<double>(factor) * factor;
}

// How often a word occurs in ids `start` to `end`; all threads of the block come here, each with its word. The ids go through shared
// memory, so the block reads each once.
static __device__ __forceinline__ int count_of(const DiagonalGramArguments& args, int word, int start, int end, int (&shared)[ids_at_once]) {
    int count = 0;
    for (int from = start; from < end; from += ids_at_once) {
        const int size = end - from < ids_at_once ? end - from : ids_at_once;
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.x); i < size; i += static_cast<int>(blockDim.x)) {
            shared[i] = args.ids[from + i];
        }

        __syncthreads();
        for (int i = 0; i < size; i++) {
            count += shared[i] == word ? 1 : 0;
        }
    }

    return count;
}

// A thread a word, which it counts in every example of a chunk. Examples of one row are counted together.
KFAC_KERNEL(one_hot, DiagonalGramArguments, 256) {
    __shared__ int shared[ids_at_once];
    const int word = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int first = static_cast<int>(blockIdx.y) * args.chunk;
    const int last = args.examples - first > args.chunk ? first + args.chunk : args.examples;
    double total = 0.0;
    if (args.starts == nullptr && args.sharing == 1) {
        total = count_of(args, word, first, last, shared);
    } else {
        for (int example = first; example < last; example++) {
            const int start = args.starts == nullptr ? example * args.sharing : args.starts[example];
            const int end = args.starts == nullptr ? start + args.sharing : args.starts[example + 1];
            const double count = count_of(args, word, start, end, shared);
            total += weight_of(args.scale, end - start) * count * count;
        }
    }

    if (word < args.columns) {
        args.partial[static_cast<long long>(blockIdx.y) * args.columns + word] = total;
    }
}

KFAC_KERNEL(gather, DiagonalGramArguments, 256) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column < args.columns) {
        double total = 0.0;
        for (int part = 0; part < args.partials; part++) {
            total += args.partial[static_cast<long long>(part) * args.columns + column];
        }

        const double old = args.beta == 0.0f ? 0.0 : static_cast<double>(args.beta) * args.diagonal[column];
        args.diagonal[column] = static_cast<float>(args.alpha * total + old);
    }
}
