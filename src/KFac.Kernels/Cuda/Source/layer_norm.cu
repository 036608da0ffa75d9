// LayerNorm: a team of threads takes a row and reads it twice, the second time out of the first-level cache; the gradients of gain and
// bias are column sums, as in reduction.cu. Sums in float64.
#include "row_grid.cuh"

struct LayerNormArguments {
    const float* x;
    const float* gain;
    const float* bias;
    const float* gradient;
    float* statistics;  // mean and 1/√(variance + epsilon) of each row
    float* output;
    double* partial;  // [chunks, 2, columns]; null where there is one chunk
    float* gain_gradient;
    float* bias_gradient;
    long long x_stride;
    long long gradient_stride;
    long long statistics_stride;
    long long output_stride;
    kfac::ElementRange range;
    int examples;  // rows of x
    int chunk;     // rows whose column sums a block adds
    float epsilon;
    float beta;
};

template <typename Team>
static __device__ __forceinline__ void forward(const LayerNormArguments& args) {
    kfac::for_each_row<Team>(args.range, [&](int row) {
        const float* x = args.x + row * args.x_stride;
        float* y = args.output + row * args.output_stride;
        double sum = 0.0, squares = 0.0;
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            for (const float v : kfac::load(width, x + j).at) {
                sum += v;
                squares = kfac::fma(static_cast<double>(v), static_cast<double>(v), squares);
            }
        });
        const double mean64 = Team::combine(sum, 0.0, kfac::Sum()) / args.range.columns;
        const double difference = Team::combine(squares, 0.0, kfac::Sum()) / args.range.columns - mean64 * mean64;
        const double variance = difference < 0.0 ? 0.0 : difference;  // NaN stays
        const float mean = static_cast<float>(mean64);
        const float scale = static_cast<float>(1.0 / kfac::sqrt(variance + args.epsilon));
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            auto v = kfac::load(width, x + j);
            const auto gain = kfac::load(width, args.gain + j), bias = kfac::load(width, args.bias + j);
            for (int k = 0; k < width; k++) {
                v.at[k] = kfac::fma((v.at[k] - mean) * scale, gain.at[k], bias.at[k]);
            }

            kfac::store(y + j, v);
        });
        if (Team::thread() == 0) {
            args.statistics[row * args.statistics_stride] = mean;
            args.statistics[row * args.statistics_stride + 1] = scale;
        }
    });
}

KFAC_KERNEL(forward_by_warps, LayerNormArguments, 256) { forward<kfac::WarpTeam>(args); }
KFAC_KERNEL(forward_by_blocks, LayerNormArguments, 256) { forward<kfac::BlockTeam>(args); }

// (h - mean(h) - x̂ mean(h∘x̂)) scale with h = gain∘gradient; the output may be the gradient.
template <typename Team>
static __device__ __forceinline__ void backward(const LayerNormArguments& args) {
    kfac::for_each_row<Team>(args.range, [&](int row) {
        const int example = row % args.examples;
        const float* x = args.x + example * args.x_stride;
        const float* gradient = args.gradient + row * args.gradient_stride;
        float* output = args.output + row * args.output_stride;
        const float centre = args.statistics[example * args.statistics_stride];
        const float scale = args.statistics[example * args.statistics_stride + 1];
        double sum = 0.0, product = 0.0;
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            const auto v = kfac::load(width, x + j), gain = kfac::load(width, args.gain + j), g = kfac::load(width, gradient + j);
            for (int k = 0; k < width; k++) {
                const float h = gain.at[k] * g.at[k];
                sum += h;
                product = kfac::fma(static_cast<double>(h), static_cast<double>(v.at[k]), product);
            }
        });
        sum = Team::combine(sum, 0.0, kfac::Sum());
        product = Team::combine(product, 0.0, kfac::Sum());
        const float mean = static_cast<float>(sum / args.range.columns);
        const float slope = static_cast<float>((product - centre * sum) * scale * scale / args.range.columns);
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            auto v = kfac::load(width, x + j);
            const auto gain = kfac::load(width, args.gain + j), g = kfac::load(width, gradient + j);
            for (int k = 0; k < width; k++) {
                v.at[k] = kfac::fma(-slope, v.at[k] - centre, gain.at[k] * g.at[k] - mean) * scale;
            }

            kfac::store(output + j, v);
        });
    });
}

KFAC_KERNEL(backward_by_warps, LayerNormArguments, 256) { backward<kfac::WarpTeam>(args); }
KFAC_KERNEL(backward_by_blocks, LayerNormArguments, 256) { backward<kfac::BlockTeam>(args); }

static __device__ __forceinline__ void finish(float* result, int column, float beta, double sum) {
    result[column] = static_cast<float>(beta == 0.0f ? sum : sum + static_cast<double>(beta) * result[column]);
}

// 32 columns of a chunk of rows a block: a warp reads along a row, eight warps take every eighth row.
KFAC_KERNEL(parameter_gradients, LayerNormArguments, 256) {
    __shared__ double gains[8][32], biases[8][32];
    const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
    const int column = static_cast<int>(blockIdx.x) * 32 + lane;
    const int first = static_cast<int>(blockIdx.y) * args.chunk;
    const int end = args.examples - first > args.chunk ? first + args.chunk : args.examples;
    double gain = 0.0, bias = 0.0;
    if (column < args.range.columns) {
#pragma unroll 4
        for (int row = first + warp; row < end; row += 8) {
            const float* statistics = args.statistics + row * args.statistics_stride;
            const float g = args.gradient[row * args.gradient_stride + column];
            const float normal = (args.x[row * args.x_stride + column] - statistics[0]) * statistics[1];
            gain = kfac::fma(static_cast<double>(g), static_cast<double>(normal), gain);
            bias += g;
        }
    }

    gains[warp][lane] = gain;
    biases[warp][lane] = bias;
    __syncthreads();
    if (warp != 0 || column >= args.range.columns) {
        return;
    }

    for (int other = 1; other < 8; other++) {
        gain += gains[other][lane];
        bias += biases[other][lane];
    }

    if (args.partial == nullptr) {
        finish(args.gain_gradient, column, args.beta, gain);
        finish(args.bias_gradient, column, args.beta, bias);
    } else {
        double* partial = args.partial + static_cast<long long>(blockIdx.y) * 2 * args.range.columns + column;
        partial[0] = gain;
        partial[args.range.columns] = bias;
    }
}

// A thread a column of either gradient: the chunks in their order.
KFAC_KERNEL(gather_parameter_gradients, LayerNormArguments, 256) {
    const int entry = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int columns = args.range.columns;
    if (entry < 2 * columns) {
        double sum = 0.0;
        const double* partial = args.partial + entry;
        for (int first = 0; first < args.examples; first += args.chunk, partial += 2 * columns) {
            sum += *partial;
        }

        finish(entry < columns ? args.gain_gradient : args.bias_gradient, entry % columns, args.beta, sum);
    }
}
