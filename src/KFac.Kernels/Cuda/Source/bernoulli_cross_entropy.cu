// BernoulliCrossEntropy. A NaN target masks its element.
#include "philox.cuh"
#include "row_grid.cuh"
#include "special_functions.cuh"

struct BernoulliCrossEntropyArguments {
    const float* input;  // logits in forward, else probabilities
    const float* targets;
    float* output;
    float* losses;
    kfac::PhiloxKeyArguments key;
    unsigned long long offset;
    long long input_stride;
    long long target_stride;
    long long output_stride;
    kfac::ElementRange range;
    int examples;  // rows of the input
    int first_column;
    float scale;
};

// p = σ(z); a row's loss is the sum of max(z, 0) - z t + ln(1 + e^-|z|). p may be z.
template <typename Team>
static __device__ __forceinline__ void forward(const BernoulliCrossEntropyArguments& args) {
    kfac::for_each_row<Team>(args.range, [&](int row) {
        float loss = 0.0f;
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            auto z = kfac::load(width, args.input + row * args.input_stride + j);
            const auto t = kfac::load(width, args.targets + row * args.target_stride + j);
            for (int k = 0; k < width; k++) {
                const float logit = z.at[k];
                const float tail = kfac::exp(-kfac::abs(logit));
                const float linear = kfac::fma(-logit, t.at[k], logit < 0.0f ? 0.0f : logit);
                loss += kfac::is_nan(t.at[k]) ? 0.0f : linear + kfac::log_one_plus(tail);
                z.at[k] = kfac::sigmoid(logit, tail);
            }

            kfac::store(args.output + row * args.output_stride + j, z);
        });
        loss = Team::combine(loss, 0.0f, kfac::Sum());
        if (Team::thread() == 0) {
            args.losses[row] = loss;
        }
    });
}

KFAC_KERNEL(forward_by_warps, BernoulliCrossEntropyArguments, 256) { forward<kfac::WarpTeam>(args); }
KFAC_KERNEL(forward_by_blocks, BernoulliCrossEntropyArguments, 256) { forward<kfac::BlockTeam>(args); }

// scale (p - t)
KFAC_KERNEL(gradient, BernoulliCrossEntropyArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto p = kfac::load(width, args.input + i * args.input_stride + j);
        const auto t = kfac::load(width, args.targets + i * args.target_stride + j);
        kfac::store(args.output + i * args.output_stride + j, kfac::map(p, t, [&](float probability, float target) {
            return kfac::is_nan(target) ? 0.0f : args.scale * (probability - target);
        }));
    });
}

// 1 where the element's Philox number is less than p, else 0. A thread takes the four elements of a Philox block.
KFAC_KERNEL(sample, BernoulliCrossEntropyArguments, 256) {
    const long long elements = static_cast<long long>(args.range.rows) * args.range.columns;
    kfac::for_each_philox_block(args.key, args.offset, elements, [&](long long first, const kfac::PhiloxBlock& block) {
        for (int k = 0; k < 4; k++) {
            if (first + k < 0 || first + k >= elements) {
                continue;
            }

            const long long row = (first + k) / args.range.columns;
            const long long column = first + k - row * args.range.columns;
            const float target = args.targets[row * args.target_stride + column];
            const float drawn = kfac::uniform(block.word[k]) < args.input[row * args.input_stride + column] ? 1.0f : 0.0f;
            args.output[row * args.output_stride + column] = kfac::is_nan(target) ? target : drawn;
        }
    });
}

// Rows of block s are column c = first_column + s of diag(√(p (1 - p))).
KFAC_KERNEL(hessian_root, BernoulliCrossEntropyArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const int example = i % args.examples;
        const int column = args.first_column + i / args.examples;
        kfac::Pack<decltype(width)::value> root;
        for (int k = 0; k < width; k++) {
            root.at[k] = 0.0f;
            if (j + k == column && !kfac::is_nan(args.targets[example * args.target_stride + column])) {
                const float p = args.input[example * args.input_stride + column];
                root.at[k] = kfac::sqrt(p * (1.0f - p));
            }
        }

        kfac::store(args.output + i * args.output_stride + j, root);
    });
}
