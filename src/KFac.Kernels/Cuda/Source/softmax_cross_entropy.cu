// SoftmaxCrossEntropy. A label of -1 masks its row; one that is no class makes it NaN, and nothing is read at it.
#include "philox.cuh"
#include "row_grid.cuh"

struct SoftmaxCrossEntropyArguments {
    const float* input;  // logits in forward, else probabilities
    const int* labels;
    float* output;
    float* losses;
    int* sampled;
    kfac::PhiloxKeyArguments key;
    unsigned long long offset;
    long long input_stride;
    long long output_stride;
    kfac::ElementRange range;
    int examples;  // rows of the input
    int first_column;
    float scale;
    float smoothing;  // of the target q = (1 - smoothing) e_label + smoothing / columns
};

constexpr int masked = -1;

static __device__ __forceinline__ bool is_class(int label, const SoftmaxCrossEntropyArguments& args) {
    return static_cast<unsigned>(label) < static_cast<unsigned>(args.range.columns);
}

// p = softmax(z), loss = ln sum e^z - sum q z, shifted by the row's largest. p may be z.
template <typename Team>
static __device__ __forceinline__ void forward(const SoftmaxCrossEntropyArguments& args) {
    kfac::for_each_row<Team>(args.range, [&](int row) {
        const float* z = args.input + row * args.input_stride;
        float* p = args.output + row * args.output_stride;
        const int label = args.labels[row];
        float maximum = -kfac::infinity;
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            for (const float v : kfac::load(width, z + j).at) {
                maximum = kfac::Maximum()(maximum, v);
            }
        });
        maximum = Team::combine(maximum, -kfac::infinity, kfac::Maximum());
        float gap = label == masked ? 0.0f : is_class(label, args) ? maximum - z[label] : kfac::from_bits(0x7fc00000u);
        if (args.smoothing != 0.0f) {
            float below = 0.0f;
            kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
                for (const float v : kfac::load(width, z + j).at) {
                    below += maximum - v;
                }
            });
            below = Team::combine(below, 0.0f, kfac::Sum());
            gap = (1.0f - args.smoothing) * gap + args.smoothing / static_cast<float>(args.range.columns) * below;
        }
        Team::sync();  // all have read the label's logit before it is overwritten
        float sum = 0.0f;
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            const auto power = kfac::map(kfac::load(width, z + j), [&](float v) { return kfac::exp(v - maximum); });
            kfac::store(p + j, power);
            for (const float v : power.at) {
                sum += v;
            }
        });
        sum = Team::combine(sum, 0.0f, kfac::Sum());
        const float scale = 1.0f / sum;
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            kfac::store(p + j, kfac::map(kfac::load(width, p + j), [&](float v) { return scale * v; }));
        });
        if (Team::thread() == 0) {
            args.losses[row] = label == masked ? 0.0f : kfac::log(sum) + gap;
        }
    });
}

KFAC_KERNEL(forward_by_warps, SoftmaxCrossEntropyArguments, 256) { forward<kfac::WarpTeam>(args); }
KFAC_KERNEL(forward_by_blocks, SoftmaxCrossEntropyArguments, 256) { forward<kfac::BlockTeam>(args); }

// scale (p - q)
KFAC_KERNEL(gradient, SoftmaxCrossEntropyArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const int label = args.labels[i];
        const float others = args.smoothing / static_cast<float>(args.range.columns);
        const float scale = label == masked || is_class(label, args) ? args.scale : kfac::from_bits(0x7fc00000u);
        auto p = kfac::load(width, args.input + i * args.input_stride + j);
        for (int k = 0; k < width; k++) {
            p.at[k] = label == masked ? 0.0f : scale * ((j + k == label ? p.at[k] - (1.0f - args.smoothing) : p.at[k]) - others);
        }

        kfac::store(args.output + i * args.output_stride + j, p);
    });
}

// The first class at which the sum of the probabilities, taken one after another in float32, exceeds u. A warp a row: it loads 32 of
// them at once, and each lane adds all of them.
KFAC_KERNEL(sample, SoftmaxCrossEntropyArguments, 256) {
    const kfac::PhiloxKey key = kfac::complete(args.key);
    kfac::for_each_row<kfac::WarpTeam>(args.range, [&](int row) {
        const float* p = args.input + row * args.input_stride;
        const float u = kfac::uniform(kfac::philox(key, args.offset + static_cast<unsigned long long>(row)).word[0]);
        const int lane = kfac::WarpTeam::thread();
        float sum = 0.0f;
        int possible = 0, drawn = -1;
        for (int first = 0; first < args.range.columns && drawn < 0; first += 32) {
            const float mine = first + lane < args.range.columns ? p[first + lane] : 0.0f;
            for (int k = 0; k < 32 && first + k < args.range.columns; k++) {
                const float value = __shfl_sync(0xffffffffu, mine, k);
                sum += value;
                drawn = drawn < 0 && u < sum ? first + k : drawn;
                possible = value > 0.0f ? first + k : possible;
            }
        }

        if (lane == 0) {
            args.sampled[row] = args.labels[row] == masked ? masked : drawn < 0 ? possible : drawn;
        }
    });
}

// Rows of block s are column first_column + s of diag(√p) - p √pᵀ: √p_c (e_c - p)
KFAC_KERNEL(hessian_root, SoftmaxCrossEntropyArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const int example = i % args.examples;
        const int column = args.first_column + i / args.examples;
        const bool is_masked = args.labels[example] == masked;
        const float* row = args.input + example * args.input_stride;
        const float root = kfac::sqrt(row[column]);
        auto p = kfac::load(width, row + j);
        for (int k = 0; k < width; k++) {
            p.at[k] = is_masked ? 0.0f : j + k == column ? root * (1.0f - p.at[k]) : -root * p.at[k];
        }

        kfac::store(args.output + i * args.output_stride + j, p);
    });
}
