// Attention as accurate as float32 on tensor cores: attention_kernel.cuh; and for every precision D = rowsum(∂O∘O) of each head.
#include "attention_kernel.cuh"

KFAC_ATTENTION(split)

struct AttentionDeltaArguments {
    const float* outputs;
    const float* output_gradients;
    float* deltas;  // [gradient_rows, heads]
    long long output_stride, output_gradient_stride;
    long long gradient_rows;
    int rows;  // of the outputs, which all seeds share
    int heads, width;
};

// A warp a head of a row.
KFAC_KERNEL(attention_delta, AttentionDeltaArguments, 256) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const long long warps = static_cast<long long>(gridDim.x) * (blockDim.x / 32);
    for (long long entry = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) / 32; entry < args.gradient_rows * args.heads; entry += warps) {
        const long long row = entry / args.heads, column = entry % args.heads * args.width;
        const float* const output = args.outputs + row % args.rows * args.output_stride + column;
        const float* const gradient = args.output_gradients + row * args.output_gradient_stride + column;
        double sum = 0.0;
        for (int j = lane; j < args.width; j += 32) {
            sum = kfac::fma(static_cast<double>(output[j]), static_cast<double>(gradient[j]), sum);
        }

        sum = kfac::combine_warp(sum, kfac::Sum());
        if (lane == 0) {
            args.deltas[entry] = static_cast<float>(sum);
        }
    }
}
