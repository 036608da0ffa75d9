// SegmentReduce: the rows of each example added and scaled, and the adjoint. A block of 32 by 8 threads has 32 packs of columns; where
// examples have many rows its eight rows of threads share one example, else each has its own.
#include "element_grid.cuh"

struct SegmentReduceArguments {
    const float* source;
    float* destination;
    const int* starts;  // examples + 1 offsets; null where all examples have `sharing` rows
    long long source_stride;
    long long destination_stride;
    kfac::ElementRange range;  // rows: examples; columns a multiple of the pack
    int sharing;
    int scale;    // SharingScale
    int threads;  // rows of threads that share an example, 1 or 8
};

struct Segment {
    int first, end;
};

static __device__ __forceinline__ Segment segment_of(const SegmentReduceArguments& args, int example) {
    return args.starts == nullptr ? Segment{example * args.sharing, (example + 1) * args.sharing}
                                  : Segment{args.starts[example], args.starts[example + 1]};
}

// Correctly rounded; 0 for no rows.
static __device__ __forceinline__ float factor_of(const SegmentReduceArguments& args, int rows) {
    enum { mean, sum };
    return rows == 0 ? 0.0f
        : args.scale == mean ? 1.0f / static_cast<float>(rows)
        : args.scale == sum ? 1.0f
                            : static_cast<float>(1.0 / kfac::sqrt(static_cast<double>(rows)));
}

// Calls body(example, column, which of the threads that share the example) on all threads alike; the example or the column may lie
// beyond the end.
template <int W, typename Body>
static __device__ __forceinline__ void for_each_example(const SegmentReduceArguments& args, Body body) {
    const int y = static_cast<int>(threadIdx.y);
    const int examples = 8 / args.threads;
    const int column = static_cast<int>(blockIdx.x * 32 + threadIdx.x) * W;
    for (int first = static_cast<int>(blockIdx.y) * examples; first < args.range.rows; first += static_cast<int>(gridDim.y) * examples) {
        body(first + y / args.threads, column, y % args.threads);
    }
}

template <int W>
static __device__ __forceinline__ void reduce(const SegmentReduceArguments& args) {
    __shared__ kfac::Pack<W> parts[8][32];
    for_each_example<W>(args, [&](int example, int column, int part) {
        const bool inside = example < args.range.rows && column < args.range.columns;
        const Segment segment = inside ? segment_of(args, example) : Segment{0, 0};
        kfac::Pack<W> sum = {};
        for (int row = segment.first + part; row < segment.end; row += args.threads) {
            const auto x = kfac::load(kfac::Width<W>(), args.source + row * args.source_stride + column);
            sum = kfac::map(sum, x, [](float a, float b) { return a + b; });
        }

        if (args.threads > 1) {
            parts[threadIdx.y][threadIdx.x] = sum;
            __syncthreads();
            for (int other = 1; part == 0 && other < args.threads; other++) {
                sum = kfac::map(sum, parts[threadIdx.y + other][threadIdx.x], [](float a, float b) { return a + b; });
            }

            __syncthreads();
        }

        if (inside && part == 0) {
            const float factor = factor_of(args, segment.end - segment.first);
            kfac::store(
                args.destination + example * args.destination_stride + column,
                kfac::map(sum, [&](float v) { return factor * v; }));
        }
    });
}

template <int W>
static __device__ __forceinline__ void spread(const SegmentReduceArguments& args) {
    for_each_example<W>(args, [&](int example, int column, int part) {
        if (example >= args.range.rows || column >= args.range.columns) {
            return;
        }

        const Segment segment = segment_of(args, example);
        const float factor = factor_of(args, segment.end - segment.first);
        const auto y = kfac::map(
            kfac::load(kfac::Width<W>(), args.source + example * args.source_stride + column), [&](float v) { return factor * v; });
        for (int row = segment.first + part; row < segment.end; row += args.threads) {
            kfac::store(args.destination + row * args.destination_stride + column, y);
        }
    });
}

KFAC_KERNEL(reduce_ones, SegmentReduceArguments, 256) { reduce<1>(args); }
KFAC_KERNEL(reduce_fours, SegmentReduceArguments, 256) { reduce<4>(args); }
KFAC_KERNEL(spread_ones, SegmentReduceArguments, 256) { spread<1>(args); }
KFAC_KERNEL(spread_fours, SegmentReduceArguments, 256) { spread<4>(args); }
