// ParameterUpdate: one pass over flat vectors.
#include "element_grid.cuh"

struct ParameterUpdateArguments {
    const float* gradients;
    float* first;   // velocity, or first moment
    float* second;  // second moment
    float* parameters;
    const double* on_device;   // numbers that replace learning rate and corrections, or null
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
    const float learning_rate = args.on_device == nullptr ? args.learning_rate : static_cast<float>(args.on_device[0]);
    kfac::for_each_pack(args.range, [&](auto width, int, int j) {
        const auto gradient = kfac::load(width, args.gradients + j);
        auto velocity = kfac::load(width, args.first + j);
        auto parameter = kfac::load(width, args.parameters + j);
        for (int k = 0; k < width; k++) {
            const float decayed = kfac::fma(args.weight_decay, parameter.at[k], gradient.at[k]);
            velocity.at[k] = kfac::fma(args.momentum, velocity.at[k], decayed);
            const float direction = Nesterov ? kfac::fma(args.momentum, velocity.at[k], decayed) : velocity.at[k];
            parameter.at[k] = kfac::fma(-learning_rate, direction, parameter.at[k]);
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
    float learning_rate = args.learning_rate, first_correction = args.first_correction;
    float gradient_correction = args.gradient_correction, second_correction = args.second_correction;
    if (args.on_device != nullptr) {
        learning_rate = static_cast<float>(args.on_device[0]);
        first_correction = static_cast<float>(args.on_device[1]);
        gradient_correction = static_cast<float>(args.on_device[2]);
        second_correction = static_cast<float>(args.on_device[3]);
    }

    const float shrink = 1.0f - learning_rate * args.weight_decay;
    kfac::for_each_pack(args.range, [&](auto width, int, int j) {
        const auto gradient = kfac::load(width, args.gradients + j);
        auto first = kfac::load(width, args.first + j);
        auto second = kfac::load(width, args.second + j);
        auto parameter = kfac::load(width, args.parameters + j);
        for (int k = 0; k < width; k++) {
            const float g = gradient.at[k];
            first.at[k] = kfac::fma(args.momentum, first.at[k], (1.0f - args.momentum) * g);
            second.at[k] = kfac::fma(args.second_decay, second.at[k], (1.0f - args.second_decay) * g * g);
            const float root = kfac::sqrt(second_correction * second.at[k]);
            const float numerator = kfac::fma(first_correction, first.at[k], gradient_correction * g);
            const float direction = numerator / (root + args.epsilon);
            parameter.at[k] = kfac::fma(-learning_rate, direction, shrink * parameter.at[k]);
        }

        kfac::store(args.first + j, first);
        kfac::store(args.second + j, second);
        kfac::store(args.parameters + j, parameter);
    });
}
