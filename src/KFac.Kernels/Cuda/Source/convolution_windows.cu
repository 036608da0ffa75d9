// Sums of every image's patches over the output positions: y[n, g, (c·k_h + a)·k_w + b] = factor·Σ pixels that (a, b) meets.
// convolution_windows is for images with their channels first, convolution_pixel_windows for channels last.
// In the first a warp takes a channel of an image. Its lanes lie along the columns, or along columns and rows of a narrow image, and add up
// the rows that each of four kernel rows meets while the channel streams through once; the columns that a kernel column meets
// are added across the lanes. Nothing is subtracted, so sums that miss a NaN stay clean.
#include "platform.cuh"

struct ConvolutionWindowsArguments {
    const float* x;  // [images, groups·channels, height, width], images x_stride apart
    float* y;        // [images, groups, patch or patch + 1], images y_stride apart, groups group_stride
    long long x_stride, y_stride;
    long long pixel_stride;  // from a pixel to the next, with channels last
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
constexpr int window_columns = 4;
constexpr int window_warps = 8;

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

// Channels last. A block takes 32 channels (lanes) of an image of a group, its warps every eighth row: while they stream through, each
// adds up what 4×4 elements of the kernel meet. The warps' sums are added in shared memory, in order.
// Dynamic shared memory: a word for each row and one for each column, which kernel rows and columns meet it.
KFAC_KERNEL(convolution_pixel_windows, ConvolutionWindowsArguments, 256) {
    using namespace kfac;
    KFAC_DYNAMIC_SHARED(unsigned, members);
    __shared__ float partial[window_warps][32];
    unsigned* const column_members = members + args.height;
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int tiles = (args.channels + 31) / 32;
    const int channel = static_cast<int>(blockIdx.x) % tiles * 32 + lane;
    const int group = static_cast<int>(blockIdx.x) / tiles % args.groups, image = static_cast<int>(blockIdx.x) / tiles / args.groups;
    const bool present = channel < args.channels;
    const float* const pixels = args.x + image * args.x_stride + static_cast<long long>(group) * args.channels + channel;
    float* const patch = args.y + image * args.y_stride + static_cast<long long>(group) * args.group_stride;
    float* const y = patch + static_cast<long long>(channel) * args.kernel_height * args.kernel_width;
    for (int a = 0; a < args.kernel_height; a += window_rows) {
        for (int b = 0; b < args.kernel_width; b += window_columns) {
            __syncthreads();
            for (int at = static_cast<int>(threadIdx.x); at < args.height + args.width; at += static_cast<int>(blockDim.x)) {
                const bool is_row = at < args.height;
                const int first = is_row ? a : b, end = is_row ? args.kernel_height : args.kernel_width;
                unsigned word = 0;
                for (int i = 0; i < min(window_rows, end - first); ++i) {
                    word |= meets(args, first + i, is_row ? at : at - args.height, is_row ? args.output_height : args.output_width) ? 1u << i : 0u;
                }

                members[at] = word;
            }

            __syncthreads();
            float sums[window_rows][window_columns] = {};
            for (int row = warp; row < args.height; row += window_warps) {
                float line[window_columns] = {};
                const float* const from = pixels + static_cast<long long>(row) * args.width * args.pixel_stride;
#pragma unroll 8
                for (int column = 0; column < args.width; ++column) {
                    const float pixel = present ? from[column * args.pixel_stride] : 0.0f;
                    const unsigned word = column_members[column];
#pragma unroll
                    for (int j = 0; j < window_columns; ++j) {
                        line[j] += (word >> j & 1u) != 0 ? pixel : 0.0f;
                    }
                }

                const unsigned word = members[row];
#pragma unroll
                for (int i = 0; i < window_rows; ++i) {
#pragma unroll
                    for (int j = 0; j < window_columns; ++j) {
                        sums[i][j] += (word >> i & 1u) != 0 ? line[j] : 0.0f;
                    }
                }
            }

#pragma unroll
            for (int i = 0; i < window_rows; ++i) {
#pragma unroll
                for (int j = 0; j < window_columns; ++j) {
                    partial[warp][lane] = sums[i][j];
                    __syncthreads();
                    if (warp == 0 && present && a + i < args.kernel_height && b + j < args.kernel_width) {
                        float sum = partial[0][lane];
                        for (int other = 1; other < window_warps; ++other) {
                            sum += partial[other][lane];
                        }

                        y[(a + i) * args.kernel_width + b + j] = args.factor * sum;
                    }

                    __syncthreads();
                }
            }
        }
    }

    if (args.append_ones != 0 && channel == 0 && warp == 0) {
        patch[args.channels * args.kernel_height * args.kernel_width] = args.ones;
    }
}
