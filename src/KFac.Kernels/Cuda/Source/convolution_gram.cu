// Gram matrices of a convolution's patches, expand: convolution_correlate.cuh as accurate as float32 on tensor cores, the copy with
// channels last that it reads, and the assembly of its pieces into C ← α·X̃ᵀX̃ + β·C.
#include "convolution_correlate.cuh"

KFAC_CONVOLUTIONS(split)

struct ConvolutionPackArguments {
    const float* x;  // [images, groups, channels, size]
    float* pixels;   // [groups, images, size, stride]; channels beyond the last are zero
    long long x_stride;
    int images, groups, channels, size, stride;
};

// Tiles of 32 pixels (x) by 32 channels (y), one image of one group after another (z); 256 threads.
KFAC_KERNEL(convolution_pack, ConvolutionPackArguments, 256) {
    __shared__ float tile[32][33];
    const int x = static_cast<int>(threadIdx.x) % 32, y = static_cast<int>(threadIdx.x) / 32;
    const int first_pixel = static_cast<int>(blockIdx.x) * 32, first_channel = static_cast<int>(blockIdx.y) * 32;
    for (int index = static_cast<int>(blockIdx.z); index < args.images * args.groups; index += static_cast<int>(gridDim.z)) {
        const int group = index / args.images, image = index % args.images;
        const float* const from = args.x + image * args.x_stride + static_cast<long long>(group) * args.channels * args.size;
        for (int i = y; i < 32; i += 8) {
            const int channel = first_channel + i, pixel = first_pixel + x;
            tile[i][x] = channel < args.channels && pixel < args.size ? from[static_cast<long long>(channel) * args.size + pixel] : 0.0f;
        }

        __syncthreads();
        float* const to = args.pixels + static_cast<long long>(index) * args.size * args.stride;
        for (int i = y; i < 32; i += 8) {
            const int channel = first_channel + x, pixel = first_pixel + i;
            if (channel < args.stride && pixel < args.size) {
                to[static_cast<long long>(pixel) * args.stride + channel] = tile[x][i];
            }
        }

        __syncthreads();
    }
}

struct ConvolutionCopyArguments {
    const float* x;  // [images, size, groups·channels]: pixels pixel_stride apart, images x_stride
    float* pixels;   // [groups, images, size, stride]; channels beyond the last are zero
    long long x_stride, pixel_stride;
    int images, groups, channels, size, stride;
};

// The copy of images that have their channels last. Elements of an image of a group along x, one after another along z.
KFAC_KERNEL(convolution_copy, ConvolutionCopyArguments, 256) {
    const long long elements = static_cast<long long>(args.size) * args.stride;
    for (int index = static_cast<int>(blockIdx.z); index < args.images * args.groups; index += static_cast<int>(gridDim.z)) {
        const int group = index / args.images, image = index % args.images;
        const float* const from = args.x + image * args.x_stride + static_cast<long long>(group) * args.channels;
        for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < elements; i += static_cast<long long>(gridDim.x) * blockDim.x) {
            const long long pixel = i / args.stride;
            const int channel = static_cast<int>(i % args.stride);
            args.pixels[index * elements + i] = channel < args.channels ? from[pixel * args.pixel_stride + channel] : 0.0f;
        }
    }
}

struct ConvolutionSumArguments {
    const float* parts;
    const ConvolutionPiece* pieces;
    float* sums;        // [groups, pieces, channels, stride]
    float* transposed;  // the same, every piece transposed
    long long group_parts, group_sums;
    int channels, stride;
    int accumulate;  // whether to add to what sums hold
};

// The sum of a piece's parts. Tiles of 32×32 (x), pieces (y), groups (z); 256 threads. Of a lag of zero the lower triangle counts.
KFAC_KERNEL(convolution_sum, ConvolutionSumArguments, 256) {
    __shared__ float tile[32][33];
    const int tiles = (args.channels + 31) / 32;
    const int first_row = static_cast<int>(blockIdx.x) / tiles * 32, first_column = static_cast<int>(blockIdx.x) % tiles * 32;
    const int x = static_cast<int>(threadIdx.x) % 32, y = static_cast<int>(threadIdx.x) / 32;
    const ConvolutionPiece piece = args.pieces[blockIdx.y];
    const long long size = static_cast<long long>(args.channels) * args.stride;
    const float* const parts = args.parts + static_cast<long long>(blockIdx.z) * args.group_parts + piece.slot * size;
    const long long target = static_cast<long long>(blockIdx.z) * args.group_sums + blockIdx.y * size;
    for (int i = y; i < 32; i += 8) {
        const int row = first_row + i, column = first_column + x;
        const long long at = static_cast<long long>(row) * args.stride + column;
        if (row < args.channels && column < args.channels && (piece.lag != 0 || column <= row)) {
            float sum = args.accumulate != 0 ? args.sums[target + at] : 0.0f;
            for (int slot = 0; slot < piece.slots; ++slot) {
                sum += parts[slot * size + at];
            }

            args.sums[target + at] = sum;
            tile[i][x] = sum;
        }
    }

    __syncthreads();
    for (int i = y; i < 32; i += 8) {
        const int row = first_column + i, column = first_row + x;
        if (row < args.channels && column < args.channels && piece.lag != 0) {
            args.transposed[target + static_cast<long long>(row) * args.stride + column] = tile[x][i];
        }
    }
}

struct ConvolutionAssembleArguments {
    const float* sums;
    const float* transposed;
    const int* pair_starts;  // [elements² + 1]; pair e·elements + f, e <= f, has the pieces from its start to the next one's
    const int* pair_pieces;
    const float* pixel_sums;  // [groups, width - 1]: products of the column of ones, or null
    float* gram;
    long long group_sums, gram_stride;
    int channels, stride, elements;
    int width;   // rows of a group's block
    float ones;  // what the column of ones makes of itself
    float alpha, beta;
};

namespace kfac {

static __device__ __forceinline__ void update(const ConvolutionAssembleArguments& args, float& c, float sum) {
    c = args.beta == 0.0f ? args.alpha * sum : fma(args.beta, c, args.alpha * sum);
}

}  // namespace kfac

// The lower triangle: element ((i, e), (j, f)) is element (i, j) of the block of e and f. A warp takes one i and 32 j, 8 warps a
// block; up to 16 f at a time go through shared memory, so that sums are read and the result written in runs.
KFAC_KERNEL(convolution_assemble, ConvolutionAssembleArguments, 256) {
    constexpr int together = 16;
    __shared__ float runs[8][32 * (together + 1)];
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int i = static_cast<int>(blockIdx.y) * 8 + warp, first_j = static_cast<int>(blockIdx.x) * 32, j = first_j + lane;
    if (i >= args.channels || first_j > i) {
        return;
    }

    const long long group = blockIdx.z, size = static_cast<long long>(args.channels) * args.stride;
    const long long at = group * args.group_sums + static_cast<long long>(i) * args.stride + j;
    for (int e = 0; e < args.elements; ++e) {
        float* const row = args.gram + (group * args.width + i * args.elements + e) * args.gram_stride;
        for (int first_f = 0; first_f < args.elements; first_f += together) {
            const int count = min(together, args.elements - first_f);
            for (int f = first_f; f < first_f + count; ++f) {
                // The pair in reading order is the one that was computed.
                const float* const from = e <= f ? args.sums : args.transposed;
                const int pair = min(e, f) * args.elements + max(e, f);
                float sum = 0.0f;
                if (j <= i) {
                    for (int piece = args.pair_starts[pair]; piece < args.pair_starts[pair + 1]; ++piece) {
                        sum += from[at + args.pair_pieces[piece] * size];
                    }
                }

                runs[warp][lane * (together + 1) + f - first_f] = sum;
            }

            __syncwarp();
            for (int index = lane; index < 32 * count; index += 32) {
                const int channel = index / count, f = index % count;
                const int column = (first_j + channel) * args.elements + first_f + f;
                if (first_j + channel < i || (first_j + channel == i && first_f + f <= e)) {
                    kfac::update(args, row[column], runs[warp][channel * (together + 1) + f]);
                }
            }

            __syncwarp();
        }
    }
}

// The last row, where there is a column of ones: sums of patches. Columns along x, groups along z.
KFAC_KERNEL(convolution_ones, ConvolutionAssembleArguments, 256) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column < args.width) {
        const long long last = (static_cast<long long>(blockIdx.z) + 1) * args.width - 1;
        const float sum = column == args.width - 1 ? args.ones : args.pixel_sums[static_cast<long long>(blockIdx.z) * (args.width - 1) + column];
        kfac::update(args, args.gram[last * args.gram_stride + column], sum);
    }
}

// The upper triangle. Tiles of 32×32 along x and y, groups along z; 256 threads.
KFAC_KERNEL(convolution_mirror, ConvolutionAssembleArguments, 256) {
    __shared__ float tile[32][33];
    const int first_row = static_cast<int>(blockIdx.y) * 32, first_column = static_cast<int>(blockIdx.x) * 32;
    if (first_column > first_row) {
        return;
    }

    const int x = static_cast<int>(threadIdx.x) % 32, y = static_cast<int>(threadIdx.x) / 32;
    float* const gram = args.gram + static_cast<long long>(blockIdx.z) * args.width * args.gram_stride;
    for (int i = y; i < 32; i += 8) {
        const int row = first_row + i, column = first_column + x;
        if (row < args.width && column < row) {
            tile[i][x] = gram[row * args.gram_stride + column];
        }
    }

    __syncthreads();
    for (int i = y; i < 32; i += 8) {
        const int row = first_column + i, column = first_row + x;
        if (column < args.width && row < column) {
            gram[row * args.gram_stride + column] = tile[x][i];
        }
    }
}
