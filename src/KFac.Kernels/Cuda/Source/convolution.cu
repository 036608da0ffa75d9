// Convolution as accurate as float32 on tensor cores: convolution_kernel.cuh; and for every precision what brings weights into the
// kernels' order and their gradients back.
#include "convolution_kernel.cuh"

KFAC_CONVOLUTIONS(split)

struct ConvolutionWeightArguments {
    const float* weights;
    float* permuted;  // [lines, taps, padded channels]; what is padding becomes zero
    long long line_stride, channel_stride;
    int lines, channels, padded_channels;
    int kernel_width;
    int first_row, row_step, rows;  // the taps: elements of the kernel from the first on
    int first_column, column_step, columns;
};

KFAC_KERNEL(permute_weights, ConvolutionWeightArguments, 256) {
    const int taps = args.rows * args.columns, width = taps * args.padded_channels;
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= args.lines * width) {
        return;
    }

    const int line = i / width, tap = i % width / args.padded_channels, channel = i % args.padded_channels;
    const int row = args.first_row + tap / args.columns * args.row_step, column = args.first_column + tap % args.columns * args.column_step;
    args.permuted[i] = channel < args.channels
        ? args.weights[line * args.line_stride + channel * args.channel_stride + row * args.kernel_width + column]
        : 0.0f;
}

struct ConvolutionFinishArguments {
    const float* parts;        // [ranges, outputs, taps, padded channels]
    const float* column_sums;  // [ranges, outputs], or null
    float* gradient;           // [outputs, channel, tap], and a column for the bias
    long long gradient_stride;
    int ranges, outputs, taps, channels, padded_channels;
    float beta;
};

KFAC_KERNEL(convolution_finish, ConvolutionFinishArguments, 256) {
    const int patch = args.channels * args.taps, width = patch + (args.column_sums == nullptr ? 0 : 1);
    const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), output = i / width, element = i % width;
    if (output >= args.outputs) {
        return;
    }

    const long long size = static_cast<long long>(args.taps) * args.padded_channels;
    const bool is_bias = element == patch;
    const float* part = is_bias ? args.column_sums + output : args.parts + output * size + element % args.taps * args.padded_channels + element / args.taps;
    const long long step = is_bias ? args.outputs : args.outputs * size;
    float sum = 0.0f;
    for (int range = 0; range < args.ranges; ++range, part += step) {
        sum += *part;
    }

    float& result = args.gradient[output * args.gradient_stride + element];
    result = args.beta == 0.0f ? sum : kfac::fma(args.beta, result, sum);
}
