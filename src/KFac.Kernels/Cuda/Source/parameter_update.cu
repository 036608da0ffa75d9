// ParameterUpdate: one pass over flat vectors.
#include "element_grid.cuh"

struct ParameterUpdateArguments {
    const float* gradients;
    float* first;   // velocity, or first moment
    float* second;  // second moment
    float* parameters;
    kfac::ElementRange range;  // one row
    float learning_rate;
    float momentum;  // or beta 1
    float second_decay;
    float epsilon;
    float weight_decay;
    float first_correction;
    float gradient_correction;
    float second_correction;
};

template <bool Nesterov>
static __device__ __forceinline__ void momentum_step(const ParameterUpdateArguments& args) {
    kfac::for_each_pack(args.range, [&](auto width, int, int j) {
        const auto gradient = kfac::load(width, args.gradients + j);
        auto velocity = kfac::load(width, args.first + j);
        auto parameter = kfac::load(width, args.parameters + j);
        for (int k = 0; k < width; k++) {
            const float decayed = kfac::fma(args.weight_decay, parameter.at[k], gradient.at[k]);
            velocity.at[k] = kfac::fma(args.momentum, velocity.at[k], decayed);
            const float direction = Nesterov ? kfac::fma(args.momentum, velocity.at[k], decayed) : velocity.at[k];
            parameter.at[k] = kfac::fma(-args.learning_rate, direction, parameter.at[k]);
        }

        kfac::store(args.first + j, velocity);
        kfac::store(args.parameters + j, parameter);
    });
}

// g' = g + wd θ; v <- μ v + g'; θ <- θ - η v
KFAC_KERNEL(momentum, ParameterUpdateArguments, 256) { momentum_step<false>(args); }

// ... θ <- θ - η (g' + μ v)
KFAC_KERNEL(nesterov, ParameterUpdateArguments, 256) { momentum_step<true>(args); }

// m <- β₁ m + (1 - β₁) g; v <- β₂ v + (1 - β₂) g²; θ <- (1 - η wd) θ - η (c₁ m + c_g g)/(√(c₂ v) + ε)
KFAC_KERNEL(adam, ParameterUpdateArguments, 256) {
    const float shrink = 1.0f - args.learning_rate * args.weight_decay;
    kfac::for_each_pack(args.range, [&](auto width, int, int j) {
        const auto gradient = kfac::load(width, args.gradients + j);
        auto first = kfac::load(width, args.first + j);
        auto second = kfac::load(width, args.second + j);
        auto parameter = kfac::load(width, args.parameters + j);
        for (int k = 0; k < width; k++) {
            const float g = gradient.at[k];
            first.at[k] = kfac::fma(args.momentum, first.at[k], (1.0f - args.momentum) * g);
            second.at[k] = kfac::fma(args.second_decay, second.at[k], (1.0f - args.second_decay) * g * g);
            const float root = kfac::sqrt(args.second_correction * second.at[k]);
            const float numerator = kfac::fma(args.first_correction, first.at[k], args.gradient_correction * g);
            const float direction = numerator / (root + args.epsilon);
            parameter.at[k] = kfac::fma(-args.learning_rate, direction, shrink * parameter.at[k]);
        }

        kfac::store(args.first + j, first);
        kfac::store(args.second + j, second);
        kfac::store(args.parameters + j, parameter);
    });
}
