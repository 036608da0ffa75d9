// Convolution of channels-last images as tiled products whose factors are patches, formed where a slice is copied to shared memory: what
// the kernels of convolution*.cu are made of. Depths of a patch are ordered [kernel row, kernel column, channel], with channels
// padded to a multiple of four, so that a copy of 16 bytes is four channels of one pixel; weights are permuted to match first.
//
//   convolve         rows of the result are positions: patches times weights. Input gradients too, with patches of output gradients:
//                    with a stride the pixels are taken phase by phase (pixel modulo stride), since those of one phase meet the same
//                    elements of the kernel, whose output positions then lie side by side
//   weight gradient  sums over positions: output gradients times patches, in ranges of positions that convolution_finish adds
#pragma once

#include "gram_kernel.cuh"
#include "product_tile.cuh"

namespace kfac {

// Tap t at position p meets pixel p·step + base + t·slope.
struct PatchAxis {
    int positions, step, base, slope, taps;
    int size;  // pixels
};

}  // namespace kfac

struct ConvolutionKernelArguments {
    const float* x;         // what patches are taken of
    const float* weights;   // [columns, taps, padded channels]
    const float* bias;      // or null
    const float* gradient;  // of the weights' gradient: [positions, columns]
    float* y;               // or the ranges' products, [ranges, columns, taps, padded channels]
    float* column_sums;     // of `gradient`, [ranges, columns], or null
    long long x_stride, y_stride, gradient_stride, bias_stride;
    kfac::PatchAxis down, across;
    int images, channels, padded_channels;
    int columns;  // of the result: the convolution's outputs
    int target_height, target_width, target_step, target_row, target_column;  // position (i, j) is pixel (row + step·i, column + step·j)
    int part_depth;  // positions of a range, a multiple of 32
    int aligned;     // whether rows start at multiples of 16 bytes: 1 x, 2 y, 4 gradient
    float beta;
};

namespace kfac {

// A position of an image, by number.
struct PatchPlace {
    int image, i, j;

    __device__ __forceinline__ PatchPlace(const ConvolutionKernelArguments& args, int number) {
        const int line = number / args.across.positions;
        j = number - line * args.across.positions;
        image = line / args.down.positions;
        i = line - image * args.down.positions;
    }

    __device__ __forceinline__ void next(const ConvolutionKernelArguments& args) {
        if (++j == args.across.positions) {
            j = 0;
            if (++i == args.down.positions) {
                i = 0;
                ++image;
            }
        }
    }
};

// Four depths of a patch: channels of one tap.
struct PatchChunk {
    int row, column, channel, count;  // how far the pixel lies from the position's first; how many of the channels exist

    __device__ __forceinline__ PatchChunk(const ConvolutionKernelArguments& args, int depth) {
        const int tap = depth / args.padded_channels, tap_row = tap / args.across.taps;
        channel = depth - tap * args.padded_channels;
        row = args.down.base + tap_row * args.down.slope;
        column = args.across.base + (tap - tap_row * args.across.taps) * args.across.slope;
        count = tap_row < args.down.taps ? min(4, args.channels - channel) : 0;
    }
};

static __device__ __forceinline__ bool is_inside(const ConvolutionKernelArguments& args, int row, int column) {
    return static_cast<unsigned>(row) < static_cast<unsigned>(args.down.size) && static_cast<unsigned>(column) < static_cast<unsigned>(args.across.size);
}

static __device__ __forceinline__ const float* pixel_of(const ConvolutionKernelArguments& args, int image, int row, int column) {
    return args.x + ((static_cast<long long>(image) * args.down.size + row) * args.across.size + column) * args.x_stride;
}

// An element of the patch of a position.
static __device__ __forceinline__ float patch_element(const ConvolutionKernelArguments& args, int number, int depth) {
    const PatchPlace place(args, number);
    const PatchChunk chunk(args, depth);
    const int row = place.i * args.down.step + chunk.row, column = place.j * args.across.step + chunk.column;
    return chunk.count > 0 && is_inside(args, row, column) ? pixel_of(args, place.image, row, column)[chunk.channel] : 0.0f;
}

// Patches as the left factor: lines are positions.
template <int Lines, int Threads>
struct PatchesAlongDepth {
    static constexpr Along along = Along::depth;
    static constexpr int chunks = slice_depth / 4, passes = Lines * chunks / Threads, row_step = Threads / chunks;
    static constexpr int outside = -(1 << 29);

    const ConvolutionKernelArguments& args;
    int first, lines, depth;
    int image[passes], row[passes], column[passes];  // the position's first pixel

    __device__ __forceinline__ PatchesAlongDepth(const ConvolutionKernelArguments& arguments, int first_position, int positions)
        : args(arguments), first(first_position), lines(positions - first_position),
          depth(args.down.taps * args.across.taps * args.padded_channels) {
#pragma unroll
        for (int i = 0; i < passes; ++i) {
            const int line = static_cast<int>(threadIdx.x) / chunks + i * row_step;
            const PatchPlace place(args, first + min(line, lines - 1));
            image[i] = place.image;
            row[i] = line < lines ? place.i * args.down.step : outside;
            column[i] = place.j * args.across.step;
        }
    }

    __device__ __forceinline__ void stage(float* tile, int slice) const {
        const int chunk = static_cast<int>(threadIdx.x) % chunks, line = static_cast<int>(threadIdx.x) / chunks;
        const PatchChunk taken(args, slice * slice_depth + 4 * chunk);
#pragma unroll
        for (int i = 0; i < passes; ++i) {
            const bool valid = taken.count > 0 && is_inside(args, row[i] + taken.row, column[i] + taken.column);
            copy_chunk(
                tile + chunk_word<Along::depth, Lines>(line + i * row_step, chunk),
                valid ? pixel_of(args, image[i], row[i] + taken.row, column[i] + taken.column) + taken.channel : args.x,
                valid ? taken.count : 0, (args.aligned & 1) != 0);
        }
    }

    __device__ __forceinline__ float at(int line, int k) const { return patch_element(args, first + line, k); }
};

// Patches as the right factor of a sum over positions: lines are elements of the patch.
template <int Lines, int Threads>
struct PatchesAlongLines {
    static constexpr Along along = Along::lines;
    static constexpr int chunks = Lines / 4, passes = Lines * slice_depth / 4 / Threads;

    const ConvolutionKernelArguments& args;
    int first, first_line, lines, depth;
    PatchChunk taken;

    __device__ __forceinline__ PatchesAlongLines(const ConvolutionKernelArguments& arguments, int first_position, int positions, int line)
        : args(arguments), first(first_position), first_line(line),
          lines(args.down.taps * args.across.taps * args.padded_channels - line), depth(positions),
          taken(args, line + 4 * (static_cast<int>(threadIdx.x) % chunks)) {}

    __device__ __forceinline__ void stage(float* tile, int slice) const {
        const int chunk = static_cast<int>(threadIdx.x) % chunks, line = static_cast<int>(threadIdx.x) / chunks * passes;
        const int start = slice * slice_depth + line;
        PatchPlace place(args, first + start);
#pragma unroll
        for (int i = 0; i < passes; ++i) {
            const int row = place.i * args.down.step + taken.row, column = place.j * args.across.step + taken.column;
            const bool valid = start + i < depth && taken.count > 0 && is_inside(args, row, column);
            copy_chunk(
                tile + chunk_word<Along::lines, Lines>(line + i, chunk),
                valid ? pixel_of(args, place.image, row, column) + taken.channel : args.x, valid ? taken.count : 0, (args.aligned & 1) != 0);
            place.next(args);
        }
    }

    __device__ __forceinline__ float at(int line, int k) const { return patch_element(args, first + k, first_line + line); }
};

template <class Shape, Precision P>
static __device__ __forceinline__ void convolve(const ConvolutionKernelArguments& args, float* shared) {
    const int tiles = (args.columns + Shape::Columns - 1) / Shape::Columns, index = static_cast<int>(blockIdx.x);
    const int first = index / tiles * Shape::Rows, first_column = index % tiles * Shape::Columns;
    const PatchesAlongDepth<Shape::Rows, Shape::Threads> a(args, first, args.images * args.down.positions * args.across.positions);
    const StridedOperand<Along::depth, Shape::Columns, Shape::Threads> b{
        args.weights + static_cast<long long>(first_column) * a.depth, a.depth, args.columns - first_column, a.depth, true};
    const LanePlace<Shape> lane;
    const bool active = lane.row < a.lines && lane.column < b.lines;
    Sums<Shape> sums = {};
    multiply_slices<Shape, P>(shared, a, b, (a.depth + slice_depth - 1) / slice_depth, false, active, sums, [](const float*) {});
    if constexpr (P == Precision::split) {
        repair<Shape>(shared, a, b, sums);
    }

#pragma unroll
    for (int row = 0; row < Shape::SlabsA * 4; ++row) {
        const int line = lane.row_of(row / 4, row % 4);
        if (line >= a.lines) {
            continue;
        }

        const PatchPlace place(args, first + line);
        const long long target = (static_cast<long long>(place.image) * args.target_height + args.target_row + place.i * args.target_step) * args.target_width
            + args.target_column + place.j * args.target_step;
        const Result result{args.y + target * args.y_stride + first_column, 0, 1, b.lines, 1.0f, args.beta, (args.aligned & 2) != 0};
#pragma unroll
        for (int part = 0; part < Shape::SlabsB * 2; ++part) {
            const int column = lane.column_of(part / 2, part % 2);
            float values[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const bool biased = args.bias != nullptr && column + j < b.lines;
                values[j] = sums.at[row / 4][row % 4][part / 2][part % 2][j] + (biased ? args.bias[(first_column + column + j) * args.bias_stride] : 0.0f);
            }

            result.store(0, column, values);
        }
    }
}

template <class Shape, Precision P>
static __device__ __forceinline__ void convolution_weight_gradient(const ConvolutionKernelArguments& args, float* shared) {
    const int width = args.down.taps * args.across.taps * args.padded_channels, tiles = (width + Shape::Columns - 1) / Shape::Columns;
    const int index = static_cast<int>(blockIdx.x), range = static_cast<int>(blockIdx.y);
    const int row = index / tiles * Shape::Rows, column = index % tiles * Shape::Columns, first = range * args.part_depth;
    const int depth = min(args.part_depth, args.images * args.down.positions * args.across.positions - first);
    const StridedOperand<Along::lines, Shape::Rows, Shape::Threads> a{
        args.gradient + first * args.gradient_stride + row, args.gradient_stride, args.columns - row, depth, (args.aligned & 4) != 0};
    const PatchesAlongLines<Shape::Columns, Shape::Threads> b(args, first, depth, column);
    const LanePlace<Shape> lane;
    const bool active = lane.row < a.lines && lane.column < b.lines;
    const bool with_sums = args.column_sums != nullptr && column == 0;
    ColumnSums<Shape> column_sums;
    Sums<Shape> sums = {};
    multiply_slices<Shape, P>(shared, a, b, (depth + slice_depth - 1) / slice_depth, false, active, sums, [&](const float* tile) {
        if (with_sums) {
            column_sums.add(tile);
        }
    });
    if constexpr (P == Precision::split) {
        repair<Shape>(shared, a, b, sums);
    }

    float* const part = args.y + (static_cast<long long>(range) * args.columns + row) * width + column;
    store_tile<Shape>(sums, Result{part, width, a.lines, b.lines, 1.0f, 0.0f, true});
    if (with_sums) {
        __syncthreads();
        column_sums.store(shared, args.column_sums + static_cast<long long>(range) * args.columns + row, a.lines);
    }
}

}  // namespace kfac

// Kernels convolve_<precision>_<size> and weight_gradient_<precision>_<size>.
#define KFAC_CONVOLUTION_KERNEL(name, function, precision, size)                                                                     \
    KFAC_KERNEL(name##_##precision##_##size, ConvolutionKernelArguments, kfac::Shapes<kfac::Precision::precision>::size::Threads) { \
        KFAC_DYNAMIC_SHARED(float, shared);                                                                                          \
        kfac::function<kfac::Shapes<kfac::Precision::precision>::size, kfac::Precision::precision>(args, shared);                    \
    }
#define KFAC_CONVOLUTIONS(precision)                                                         \
    KFAC_CONVOLUTION_KERNEL(convolve, convolve, precision, large)                            \
    KFAC_CONVOLUTION_KERNEL(convolve, convolve, precision, small)                            \
    KFAC_CONVOLUTION_KERNEL(weight_gradient, convolution_weight_gradient, precision, large)  \
    KFAC_CONVOLUTION_KERNEL(weight_gradient, convolution_weight_gradient, precision, small)
