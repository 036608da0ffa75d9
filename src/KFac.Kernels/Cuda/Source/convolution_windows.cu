// Sums of every image's patches over the output positions: y[n, g, (c·k_h + a)·k_w + b] = factor·Σ pixels that (a, b) meets.
// A warp takes a channel of an image. Its lanes lie along the columns, or along columns and rows of a narrow image, and add up
// the rows that each of four kernel rows meets while the channel streams through once; the columns that a kernel column meets
// are added across the lanes. Nothing is subtracted, so sums that miss a NaN stay clean.
#include "platform.cuh"

struct ConvolutionWindowsArguments {
    const float* x;  // [images, groups·channels, height, width], images x_stride apart
    float* y;        // [images, groups, patch or patch + 1], images y_stride apart, groups group_stride
    long long x_stride, y_stride;
    int images, groups, channels, group_stride;
    int height, width, kernel_height, kernel_width, output_height, output_width;
    int step, padding, dilation;
    int append_ones;  // whether an element `ones` follows every group's patch
    float factor, ones;
};

namespace kfac {

// Whether kernel element `a` meets the pixel at some output.
static __device__ __forceinline__ bool meets(const ConvolutionWindowsArguments& args, int a, int pixel, int outputs) {
    const int distance = pixel + args.padding - a * args.dilation;
    return distance >= 0 && distance % args.step == 0 && distance / args.step < outputs;
}

static __device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, lanes);
    }

    return value;
}

constexpr int window_rows = 4;

}  // namespace kfac

// Four warps a block. Dynamic shared memory: a word for each row of an image, which kernel rows meet it; then for each warp its
// window_rows·kernel_width sums.
KFAC_KERNEL(convolution_windows, ConvolutionWindowsArguments, 128) {
    using namespace kfac;
    KFAC_DYNAMIC_SHARED(unsigned, members);
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    float* const sums = reinterpret_cast<float*>(members + args.height) + warp * window_rows * args.kernel_width;
    const int plane = static_cast<int>(blockIdx.x) * 4 + warp;
    const int image = plane / (args.groups * args.channels), channel = plane % (args.groups * args.channels);
    const bool present = image < args.images;
    const float* const pixels = args.x + image * args.x_stride + static_cast<long long>(channel) * args.height * args.width;
    float* const patch = args.y + image * args.y_stride + static_cast<long long>(channel / args.channels) * args.group_stride;
    float* const y = patch + static_cast<long long>(channel % args.channels) * args.kernel_height * args.kernel_width;
    int across = 1;
    while (across < 32 && across < args.width) {
        across *= 2;
    }

    for (int a = 0; a < args.kernel_height; a += window_rows) {
        __syncthreads();
        for (int row = static_cast<int>(threadIdx.x); row < args.height; row += static_cast<int>(blockDim.x)) {
            unsigned word = 0;
            for (int i = 0; i < min(window_rows, args.kernel_height - a); ++i) {
                word |= meets(args, a + i, row, args.output_height) ? 1u << i : 0u;
            }

            members[row] = word;
        }

        __syncthreads();
        if (!present) {
            continue;
        }

        for (int first = 0; first < args.width; first += across) {
            const int column = first + lane % across;
            float line[window_rows] = {};
            if (column < args.width) {
#pragma unroll 8
                for (int row = lane / across; row < args.height; row += 32 / across) {
                    const float pixel = pixels[static_cast<long long>(row) * args.width + column];
                    const unsigned word = members[row];
#pragma unroll
                    for (int i = 0; i < window_rows; ++i) {
                        line[i] += (word >> i & 1u) != 0 ? pixel : 0.0f;
                    }
                }
            }

            for (int b = 0; b < args.kernel_width; ++b) {
                const bool member = column < args.width && meets(args, b, column, args.output_width);
#pragma unroll
                for (int i = 0; i < window_rows; ++i) {
                    const float sum = warp_sum(member ? line[i] : 0.0f);
                    if (lane == 0) {
                        float& total = sums[i * args.kernel_width + b];
                        total = first == 0 ? sum : total + sum;
                    }
                }
            }
        }

        __syncwarp();
        for (int index = lane; index < min(window_rows, args.kernel_height - a) * args.kernel_width; index += 32) {
            y[a * args.kernel_width + index] = args.factor * sums[index];
        }
    }

    if (present && args.append_ones != 0 && channel % args.channels == 0 && lane == 0) {
        patch[args.channels * args.kernel_height * args.kernel_width] = args.ones;
    }
}
