// BatchNorm: sums over the rows of a group in float64, cut into chunks, as column_sum in reduction.cu; what follows is element by
// element. The variance is that of differences to the group's first row, so that a large mean costs no digits.
#include "element_grid.cuh"

struct BatchNormArguments {
    const float* x;
    const float* gain;
    const float* bias;
    const float* gradient;
    float* statistics;  // [groups, columns] means, then as many scales
    float* y;
    double* partial;  // [seeds, groups, chunks, 2, columns]
    float* means;     // [seeds, groups, 2, columns]; null where statistics are constant
    float* first;     // of the gain, or running means
    float* second;    // of the bias, or running variances
    long long x_stride;
    long long gradient_stride;
    long long statistics_stride;
    long long y_stride;
    kfac::ElementRange range;  // rows: of all seeds
    int rows;                  // of x
    int group_rows;
    int groups;
    int seeds;
    int chunk;   // rows that a block adds
    int chunks;  // of a group
    float epsilon;
    float beta;  // or the momentum of running averages
};

static __device__ __forceinline__ const float* mean_of(const BatchNormArguments& args, int row) {
    return args.statistics + row / args.group_rows * args.statistics_stride;
}

static __device__ __forceinline__ const float* scale_of(const BatchNormArguments& args, int row) {
    return args.statistics + (args.groups + row / args.group_rows) * args.statistics_stride;
}

static __device__ __forceinline__ int rows_of(const BatchNormArguments& args, int group) {
    return min(args.group_rows, args.rows - group * args.group_rows);
}

// 32 columns of a chunk a block: a warp reads along a row, eight warps take every eighth row. `terms` gives two numbers.
template <typename Terms>
static __device__ __forceinline__ void sum_chunks(const BatchNormArguments& args, Terms terms) {
    __shared__ double parts[2][8][32];
    const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
    const int column = static_cast<int>(blockIdx.x) * 32 + lane;
    for (int slot = static_cast<int>(blockIdx.y); slot < args.seeds * args.groups * args.chunks; slot += static_cast<int>(gridDim.y)) {
        const int group = slot / args.chunks % args.groups, seed = slot / args.chunks / args.groups;
        const int start = group * args.group_rows, first = slot % args.chunks * args.chunk;
        const int end = min(rows_of(args, group), first + args.chunk);
        double one = 0.0, two = 0.0;
        if (column < args.range.columns) {
            for (int row = first + warp; row < end; row += 8) {
                terms(seed, start, start + row, column, one, two);
            }
        }

        parts[0][warp][lane] = one;
        parts[1][warp][lane] = two;
        __syncthreads();
        if (warp == 0 && column < args.range.columns) {
            for (int other = 1; other < 8; other++) {
                one += parts[0][other][lane];
                two += parts[1][other][lane];
            }

            double* const partial = args.partial + static_cast<long long>(slot) * 2 * args.range.columns + column;
            partial[0] = one;
            partial[args.range.columns] = two;
        }

        __syncthreads();
    }
}

KFAC_KERNEL(sum_differences, BatchNormArguments, 256) {
    sum_chunks(args, [&](int, int start, int row, int column, double& one, double& two) {
        const double difference = static_cast<double>(args.x[row * args.x_stride + column]) - args.x[start * args.x_stride + column];
        one += difference;
        two = kfac::fma(difference, difference, two);
    });
}

KFAC_KERNEL(sum_gradients, BatchNormArguments, 256) {
    sum_chunks(args, [&](int seed, int, int row, int column, double& one, double& two) {
        const double gradient = args.gradient[(static_cast<long long>(seed) * args.rows + row) * args.gradient_stride + column];
        const float normal = (args.x[row * args.x_stride + column] - mean_of(args, row)[column]) * scale_of(args, row)[column];
        one += gradient;
        two = kfac::fma(gradient, static_cast<double>(normal), two);
    });
}

// Adds the chunks of a group of a seed; false beyond the last.
static __device__ __forceinline__ bool gather(const BatchNormArguments& args, int& slot, int& column, double& one, double& two) {
    const long long entry = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    slot = static_cast<int>(entry / args.range.columns);
    column = static_cast<int>(entry % args.range.columns);
    if (slot >= args.seeds * args.groups) {
        return false;
    }

    const double* partial = args.partial + static_cast<long long>(slot) * args.chunks * 2 * args.range.columns + column;
    one = 0.0;
    two = 0.0;
    for (int chunk = 0; chunk < args.chunks; chunk++, partial += 2 * args.range.columns) {
        one += partial[0];
        two += partial[args.range.columns];
    }

    return true;
}

KFAC_KERNEL(finish_statistics, BatchNormArguments, 256) {
    int group, column;
    double sum, squares;
    if (gather(args, group, column, sum, squares)) {
        const int rows = rows_of(args, group);
        const double shift = sum / rows, difference = squares / rows - shift * shift;
        const double variance = difference < 0.0 ? 0.0 : difference;  // NaN stays
        args.statistics[group * args.statistics_stride + column] =
            static_cast<float>(args.x[static_cast<long long>(group) * args.group_rows * args.x_stride + column] + shift);
        args.statistics[(args.groups + group) * args.statistics_stride + column] = static_cast<float>(1.0 / kfac::sqrt(variance + args.epsilon));
    }
}

KFAC_KERNEL(finish_means, BatchNormArguments, 256) {
    int slot, column;
    double gradients, products;
    if (gather(args, slot, column, gradients, products)) {
        const int rows = rows_of(args, slot % args.groups);
        float* const means = args.means + static_cast<long long>(slot) * 2 * args.range.columns + column;
        means[0] = static_cast<float>(gradients / rows);
        means[args.range.columns] = static_cast<float>(products / rows);
    }
}

KFAC_KERNEL(finish_parameter_gradients, BatchNormArguments, 256) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column < args.range.columns) {
        double bias = args.beta == 0.0f ? 0.0 : static_cast<double>(args.beta) * args.second[column];
        double gain = args.beta == 0.0f ? 0.0 : static_cast<double>(args.beta) * args.first[column];
        const double* partial = args.partial + column;
        for (int part = 0; part < args.groups * args.chunks; part++, partial += 2 * args.range.columns) {
            bias += partial[0];
            gain += partial[args.range.columns];
        }

        args.first[column] = static_cast<float>(gain);
        args.second[column] = static_cast<float>(bias);
    }
}

KFAC_KERNEL(from_running, BatchNormArguments, 256) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column < args.range.columns) {
        args.statistics[column] = args.first[column];
        args.statistics[args.statistics_stride + column] =
            static_cast<float>(1.0 / kfac::sqrt(static_cast<double>(args.second[column]) + args.epsilon));
    }
}

KFAC_KERNEL(update_running, BatchNormArguments, 256) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column < args.range.columns) {
        const double unbiased = args.group_rows > 1 ? args.group_rows / (args.group_rows - 1.0) : 1.0;
        double means = 0.0, variances = 0.0;
        for (int group = 0; group < args.groups; group++) {
            const double scale = args.statistics[(args.groups + group) * args.statistics_stride + column];
            const double variance = 1.0 / (scale * scale) - args.epsilon;
            means += args.statistics[group * args.statistics_stride + column];
            variances += (variance < 0.0 ? 0.0 : variance) * unbiased;
        }

        const float kept = 1.0f - args.beta;
        args.first[column] = static_cast<float>(kept * args.first[column] + args.beta * means / args.groups);
        args.second[column] = static_cast<float>(kept * args.second[column] + args.beta * variances / args.groups);
    }
}

KFAC_KERNEL(normalize, BatchNormArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int row, int j) {
        auto v = kfac::load(width, args.x + row * args.x_stride + j);
        const float *mean = mean_of(args, row) + j, *scale = scale_of(args, row) + j;
        for (int k = 0; k < width; k++) {
            v.at[k] = kfac::fma((v.at[k] - mean[k]) * scale[k], args.gain[j + k], args.bias[j + k]);
        }

        kfac::store(args.y + row * args.y_stride + j, v);
    });
}

KFAC_KERNEL(backward, BatchNormArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int row, int j) {
        const int input = row % args.rows;
        auto g = kfac::load(width, args.gradient + row * args.gradient_stride + j);
        const float* const scale = scale_of(args, input) + j;
        if (args.means != nullptr) {
            const auto x = kfac::load(width, args.x + input * args.x_stride + j);
            const float* const mean = mean_of(args, input) + j;
            const long long slot = static_cast<long long>(row / args.rows) * args.groups + input / args.group_rows;
            const float* const means = args.means + slot * 2 * args.range.columns + j;
            for (int k = 0; k < width; k++) {
                const float normal = (x.at[k] - mean[k]) * scale[k];
                g.at[k] = g.at[k] - means[k] - normal * means[args.range.columns + k];
            }
        }

        for (int k = 0; k < width; k++) {
            g.at[k] = scale[k] * args.gain[j + k] * g.at[k];
        }

        kfac::store(args.y + row * args.y_stride + j, g);
    });
}
