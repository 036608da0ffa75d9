// Activation: y = f(x), and the gradient of x from that of y, for seeds stacked on top of each other.
#include "element_grid.cuh"
#include "special_functions.cuh"

struct ActivationArguments {
    const float* x;
    float* y;  // written by forward, read by backward
    const float* output_gradient;
    float* input_gradient;
    long long x_stride;
    long long y_stride;
    long long output_gradient_stride;
    long long input_gradient_stride;
    kfac::ElementRange range;  // of y in forward, of the gradients in backward
    int seed_rows;             // rows of x
};

struct Relu {
    static __device__ float value(float x) { return x < 0.0f ? 0.0f : x; }
    static __device__ float gradient(float x, float, float g) { return x > 0.0f ? g : kfac::is_nan(x) ? x : 0.0f; }
};

struct Tanh {
    static __device__ float value(float x) { return kfac::tanh(x); }
    // (1 - y)(1 + y) keeps the small differences near 1.
    static __device__ float gradient(float, float y, float g) { return (1.0f - y) * (1.0f + y) * g; }
};

struct Sigmoid {
    static __device__ float value(float x) { return kfac::sigmoid(x); }
    static __device__ float gradient(float, float y, float g) { return y * (1.0f - y) * g; }
};

struct Gelu {
    static __device__ float value(float x) { return kfac::gelu(x); }
    static __device__ float gradient(float x, float, float g) { return kfac::gelu_derivative(x) * g; }
};

template <typename Function>
static __device__ __forceinline__ void forward(const ActivationArguments& args) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto x = kfac::load(width, args.x + i * args.x_stride + j);
        kfac::store(args.y + i * args.y_stride + j, kfac::map(x, [](float v) { return Function::value(v); }));
    });
}

template <typename Function>
static __device__ __forceinline__ void backward(const ActivationArguments& args) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const int example = i % args.seed_rows;
        const auto x = kfac::load(width, args.x + example * args.x_stride + j);
        const auto y = kfac::load(width, args.y + example * args.y_stride + j);
        auto gradient = kfac::load(width, args.output_gradient + i * args.output_gradient_stride + j);
        for (int k = 0; k < width; k++) {
            gradient.at[k] = Function::gradient(x.at[k], y.at[k], gradient.at[k]);
        }

        kfac::store(args.input_gradient + i * args.input_gradient_stride + j, gradient);
    });
}

KFAC_KERNEL(relu, ActivationArguments, 256) { forward<Relu>(args); }
KFAC_KERNEL(tanh_forward, ActivationArguments, 256) { forward<Tanh>(args); }
KFAC_KERNEL(sigmoid, ActivationArguments, 256) { forward<Sigmoid>(args); }
KFAC_KERNEL(gelu, ActivationArguments, 256) { forward<Gelu>(args); }
KFAC_KERNEL(relu_backward, ActivationArguments, 256) { backward<Relu>(args); }
KFAC_KERNEL(tanh_backward, ActivationArguments, 256) { backward<Tanh>(args); }
KFAC_KERNEL(sigmoid_backward, ActivationArguments, 256) { backward<Sigmoid>(args); }
KFAC_KERNEL(gelu_backward, ActivationArguments, 256) { backward<Gelu>(args); }
