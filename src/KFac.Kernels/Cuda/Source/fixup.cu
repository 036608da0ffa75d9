// Fixup: a rectifier between two scalar biases, and the addition of a scaled branch. Scalars are read from the device; their gradients are
// summed in float64, by blocks first and then by one block, in an order that the shape fixes alone.
#include "block_reduce.cuh"
#include "element_grid.cuh"

struct FixupArguments {
    const float* x;
    const float* skip;
    const float* output_gradient;
    float* result;        // y, or the gradient of x
    const float* first;   // bias before the rectifier; multiplier
    const float* second;  // bias after it; bias
    double* partial;      // two a block; null where no sums are wanted
    float* first_gradient;
    float* second_gradient;
    long long x_stride;
    long long skip_stride;
    long long output_gradient_stride;
    long long result_stride;
    kfac::ElementRange range;  // of the result
    int seed_rows;             // rows of x
    int partials;
    float scale;
    float beta;
};

static __device__ __forceinline__ void leave(const FixupArguments& args, double first, double second) {
    if (args.partial == nullptr) {
        return;
    }

    first = kfac::combine_block(first, 0.0, kfac::Sum());
    second = kfac::combine_block(second, 0.0, kfac::Sum());
    if (threadIdx.x == 0) {
        args.partial[2 * blockIdx.x] = first;
        args.partial[2 * blockIdx.x + 1] = second;
    }
}

KFAC_KERNEL(activate, FixupArguments, 256) {
    const float before = *args.first, after = *args.second;
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto x = kfac::load(width, args.x + i * args.x_stride + j);
        kfac::store(args.result + i * args.result_stride + j, kfac::map(x, [&](float v) {
            const float rectified = v + before;
            return (rectified < 0.0f ? 0.0f : rectified) + after;
        }));
    });
}

KFAC_KERNEL(activate_backward, FixupArguments, 256) {
    const float before = *args.first;
    double inputs = 0.0, outputs = 0.0;
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto x = kfac::load(width, args.x + i % args.seed_rows * args.x_stride + j);
        auto gradient = kfac::load(width, args.output_gradient + i * args.output_gradient_stride + j);
        for (int k = 0; k < width; k++) {
            const float rectified = x.at[k] + before;
            outputs += gradient.at[k];
            gradient.at[k] = rectified > 0.0f ? gradient.at[k] : kfac::is_nan(rectified) ? rectified : 0.0f;
            inputs += gradient.at[k];
        }

        kfac::store(args.result + i * args.result_stride + j, gradient);
    });
    leave(args, inputs, outputs);
}

KFAC_KERNEL(join, FixupArguments, 256) {
    const float multiplier = args.scale * *args.first, bias = args.scale * *args.second;
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto x = kfac::load(width, args.x + i * args.x_stride + j);
        const auto skip = kfac::load(width, args.skip + i * args.skip_stride + j);
        kfac::store(args.result + i * args.result_stride + j, kfac::map(skip, x, [&](float s, float v) { return s + kfac::fma(multiplier, v, bias); }));
    });
}

KFAC_KERNEL(join_backward, FixupArguments, 256) {
    const float multiplier = args.scale * *args.first;
    double products = 0.0, outputs = 0.0;
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        auto gradient = kfac::load(width, args.output_gradient + i * args.output_gradient_stride + j);
        if (args.partial != nullptr) {
            const auto x = kfac::load(width, args.x + i * args.x_stride + j);
            for (int k = 0; k < width; k++) {
                products += static_cast<double>(x.at[k]) * gradient.at[k];
                outputs += gradient.at[k];
            }
        }

        kfac::store(args.result + i * args.result_stride + j, kfac::map(gradient, [&](float g) { return multiplier * g; }));
    });
    leave(args, products, outputs);
}

// One block: gradient <- scale * sum + beta * gradient
KFAC_KERNEL(gather_scalars, FixupArguments, 256) {
    double first = 0.0, second = 0.0;
    for (int i = static_cast<int>(threadIdx.x); i < args.partials; i += static_cast<int>(blockDim.x)) {
        first += args.partial[2 * i];
        second += args.partial[2 * i + 1];
    }

    first = kfac::combine_block(first, 0.0, kfac::Sum());
    second = kfac::combine_block(second, 0.0, kfac::Sum());
    if (threadIdx.x == 0) {
        const double scale = args.scale, beta = args.beta;
        *args.first_gradient = static_cast<float>(scale * first + (beta == 0.0 ? 0.0 : beta * *args.first_gradient));
        *args.second_gradient = static_cast<float>(scale * second + (beta == 0.0 ? 0.0 : beta * *args.second_gradient));
    }
}
