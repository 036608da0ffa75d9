// WeightNorm (Salimans and Kingma 2016), by rows v of V with gains g: w = (g/‖v‖)·v; backward, with the gradient d of w,
//   d_v = (g/‖v‖)·(d - (d·v/‖v‖²)·v),   d_g = d·v/‖v‖.
// A team of threads takes a row. Forward reads it twice, for ‖v‖ and to scale it; backward three times, and d twice: for v·v, for d·v
// and for the result. The sums are float64.
#include "row_grid.cuh"

struct WeightNormArguments {
    const float* v;
    const float* gain;  // null for rows of length 1
    const float* gradient;
    float* output;
    float* gain_gradient;  // null without a gain
    long long v_stride;
    long long gradient_stride;
    long long output_stride;
    kfac::ElementRange range;
    float beta;
};

static __device__ __forceinline__ double gain_of(const WeightNormArguments& args, int row) {
    return args.gain == nullptr ? 1.0 : static_cast<double>(args.gain[row]);
}

template <typename Team>
static __device__ __forceinline__ double row_dot(const WeightNormArguments& args, const float* x, const float* y) {
    double sum = 0.0;
    kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
        const auto a = kfac::load(width, x + j), b = kfac::load(width, y + j);
        for (int k = 0; k < width; k++) {
            sum = kfac::fma(static_cast<double>(a.at[k]), static_cast<double>(b.at[k]), sum);
        }
    });
    return Team::combine(sum, 0.0, kfac::Sum());
}

template <typename Team>
static __device__ __forceinline__ void forward(const WeightNormArguments& args) {
    kfac::for_each_row<Team>(args.range, [&](int row) {
        const float* v = args.v + row * args.v_stride;
        float* output = args.output + row * args.output_stride;
        const float scale = static_cast<float>(gain_of(args, row) / kfac::sqrt(row_dot<Team>(args, v, v)));
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            kfac::store(output + j, kfac::map(kfac::load(width, v + j), [&](float x) { return scale * x; }));
        });
    });
}

KFAC_KERNEL(forward_by_warps, WeightNormArguments, 256) { forward<kfac::WarpTeam>(args); }
KFAC_KERNEL(forward_by_blocks, WeightNormArguments, 256) { forward<kfac::BlockTeam>(args); }

// The output may be the gradient where beta is 0.
template <typename Team>
static __device__ __forceinline__ void backward(const WeightNormArguments& args) {
    kfac::for_each_row<Team>(args.range, [&](int row) {
        const float* v = args.v + row * args.v_stride;
        const float* gradient = args.gradient + row * args.gradient_stride;
        float* output = args.output + row * args.output_stride;
        const double squares = row_dot<Team>(args, v, v);
        const double product = row_dot<Team>(args, gradient, v);
        const double norm = kfac::sqrt(squares);
        const float slope = static_cast<float>(-product / squares);
        const float scale = static_cast<float>(gain_of(args, row) / norm);
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            const auto x = kfac::load(width, v + j);
            auto y = kfac::load(width, gradient + j);
            for (int k = 0; k < width; k++) {
                y.at[k] = scale * kfac::fma(slope, x.at[k], y.at[k]);
            }

            if (args.beta != 0.0f) {
                const auto old = kfac::load(width, output + j);
                for (int k = 0; k < width; k++) {
                    y.at[k] = kfac::fma(args.beta, old.at[k], y.at[k]);
                }
            }

            kfac::store(output + j, y);
        });
        if (args.gain_gradient != nullptr && Team::thread() == 0) {
            const double old = args.beta == 0.0f ? 0.0 : static_cast<double>(args.beta) * args.gain_gradient[row];
            args.gain_gradient[row] = static_cast<float>(product / norm + old);
        }
    });
}

KFAC_KERNEL(backward_by_warps, WeightNormArguments, 256) { backward<kfac::WarpTeam>(args); }
KFAC_KERNEL(backward_by_blocks, WeightNormArguments, 256) { backward<kfac::BlockTeam>(args); }
