// Pooling. A thread takes a pack of channels of one output, or of one pixel in the adjoints, which gather from the outputs whose windows
// hold the pixel, so that no two threads write one place.
#include "element_grid.cuh"

struct PoolingArguments {
    float* x;
    float* y;
    float* places;  // null for means
    long long x_stride;
    long long y_stride;
    long long place_stride;
    kfac::ElementRange range;  // rows: outputs, or pixels in the adjoints
    int place_rows;
    int height, width;
    int output_height, output_width;
    int kernel_height, kernel_width;
    int stride, padding;
    float scale;  // of a mean
    float beta;
};

// Calls body(x's row, place in the window) for the part of an output's window that lies in the image.
template <typename Body>
static __device__ __forceinline__ void for_each_in_window(const PoolingArguments& args, int output, Body body) {
    const int left = output % args.output_width * args.stride - args.padding;
    const int top = output / args.output_width % args.output_height * args.stride - args.padding;
    const long long image = output / args.output_width / args.output_height;
    for (int y = max(0, top); y < min(args.height, top + args.kernel_height); y++) {
        for (int x = max(0, left); x < min(args.width, left + args.kernel_width); x++) {
            body((image * args.height + y) * args.width + x, (y - top) * args.kernel_width + x - left);
        }
    }
}

KFAC_KERNEL(maxima, PoolingArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int row, int j) {
        kfac::Pack<decltype(width)::value> best = {}, place = {};
        bool first = true;
        for_each_in_window(args, row, [&](long long pixel, int here) {
            const auto value = kfac::load(width, args.x + pixel * args.x_stride + j);
            for (int k = 0; k < width; k++) {
                // A window's first pixel stands where nothing is larger than minus infinity.
                const bool larger = first || (!kfac::is_nan(best.at[k]) && (kfac::is_nan(value.at[k]) || value.at[k] > best.at[k]));
                best.at[k] = larger ? value.at[k] : best.at[k];
                place.at[k] = larger ? static_cast<float>(here) : place.at[k];
            }

            first = false;
        });
        kfac::store(args.y + row * args.y_stride + j, best);
        kfac::store(args.places + row * args.place_stride + j, place);
    });
}

KFAC_KERNEL(means, PoolingArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int row, int j) {
        kfac::Pack<decltype(width)::value> sum = {};
        for_each_in_window(args, row, [&](long long pixel, int) {
            sum = kfac::map(sum, kfac::load(width, args.x + pixel * args.x_stride + j), [](float a, float b) { return a + b; });
        });
        kfac::store(args.y + row * args.y_stride + j, kfac::map(sum, [&](float v) { return args.scale * v; }));
    });
}

// The first output along an axis whose window reaches a pixel of the padded image.
static __device__ __forceinline__ int first_output(int pixel, int kernel, int stride) { return pixel < kernel ? 0 : (pixel - kernel) / stride + 1; }

KFAC_KERNEL(adjoint, PoolingArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int pixel, int j) {
        const int column = pixel % args.width + args.padding, row = pixel / args.width % args.height + args.padding;
        const long long image = pixel / args.width / args.height;
        kfac::Pack<decltype(width)::value> sum = {};
        const int last_y = min(args.output_height - 1, row / args.stride), last_x = min(args.output_width - 1, column / args.stride);
        for (int y = first_output(row, args.kernel_height, args.stride); y <= last_y; y++) {
            for (int x = first_output(column, args.kernel_width, args.stride); x <= last_x; x++) {
                const long long output = (image * args.output_height + y) * args.output_width + x;
                const auto gradient = kfac::load(width, args.y + output * args.y_stride + j);
                if (args.places == nullptr) {
                    sum = kfac::map(gradient, sum, [&](float g, float s) { return kfac::fma(args.scale, g, s); });
                    continue;
                }

                const auto place = kfac::load(width, args.places + output % args.place_rows * args.place_stride + j);
                const float here = static_cast<float>((row - y * args.stride) * args.kernel_width + column - x * args.stride);
                for (int k = 0; k < width; k++) {
                    sum.at[k] += place.at[k] == here ? gradient.at[k] : 0.0f;
                }
            }
        }

        float* const result = args.x + pixel * args.x_stride + j;
        if (args.beta != 0.0f) {
            sum = kfac::map(kfac::load(width, result), sum, [&](float old, float s) { return kfac::fma(args.beta, old, s); });
        }

        kfac::store(result, sum);
    });
}
