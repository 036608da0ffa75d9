// Correlations of pixels: what the Gram matrix of a convolution's patches is made of, without patches. With the channels z(u) of
// pixel u, the block of the kernel elements e and f is Σ z(u)·z(u + lag)ᵀ over the pixels u that e meets while f meets a pixel
// too. The sum depends on e and f by their lag and by the rectangle of pixels alone, so rectangles are cut where those of
// different pairs begin or end, and every piece is multiplied once: a 3×3 kernel takes 13 large pieces and 16 of borders
// instead of 45 blocks. ConvolutionPieces.cs makes the pieces and the items, which are what blocks do: a tile of a piece's
// product over a range of its pixels. Items of the same range follow each other, so that their pixels stay in the cache.
#pragma once

#include "product_tile.cuh"

// A rectangle of every image's pixels, `step` pixels from each to the next along either axis.
struct ConvolutionPiece {
    int row, column;    // the first pixel
    int rows, columns;  // how many along either axis
    unsigned area_multiplier, columns_multiplier;  // division by rows·columns and by columns; see divide
    int area_shift, columns_shift;
    int lag;           // pixels from a pixel to its partner
    int slot, slots;   // its results, one per range
};

struct ConvolutionItem {
    int piece;
    int slot;
    int first, depth;  // pixels, counted over all images
    int row, column;   // the tile's first channels
};

struct ConvolutionCorrelateArguments {
    const float* pixels;  // [groups, images, height, width, stride]: channels last
    const ConvolutionPiece* pieces;
    const ConvolutionItem* items;  // a block each along x; groups along y
    float* parts;                  // [groups, slots, channels, stride]
    long long group_pixels, group_parts;
    int channels, stride;  // of a group; stride is channels rounded up to a multiple of 4
    int height, width, step;
};

namespace kfac {

// n / d for 0 <= n < 2³¹: multiplier is 2³¹⁺ˡ/d rounded up and shift is l - 1, with l the bits of d - 1; 0 stands for d = 1.
static __device__ __forceinline__ int divide(int n, unsigned multiplier, int shift) {
    return multiplier == 0 ? n : static_cast<int>(__umulhi(static_cast<unsigned>(n), multiplier) >> shift);
}

// The channels of a piece's pixels as a factor: lines are channels, depth are pixels.
template <int Lines, int Threads>
struct PixelOperand {
    static constexpr Along along = Along::lines;

    const float* source;  // first channel of the tile of pixel 0, or of its partner
    ConvolutionPiece piece;
    int stride, height, width, step;
    int lines;
    int first, depth;

    struct Pixel {
        int image, row, column;
    };

    __device__ __forceinline__ Pixel pixel(int k) const {
        const int index = first + k;
        const int image = divide(index, piece.area_multiplier, piece.area_shift);
        const int inside = index - image * piece.rows * piece.columns;
        const int row = divide(inside, piece.columns_multiplier, piece.columns_shift);
        return {image, row, inside - row * piece.columns};
    }

    __device__ __forceinline__ long long offset(const Pixel& at) const {
        const long long line = static_cast<long long>(at.image) * height + piece.row + at.row * step;
        return (line * width + piece.column + at.column * step) * stride;
    }

    // On to the next pixel of the piece: how many of the image's pixels that is. From the end of a row to the next one, from the
    // last row to the next image.
    __device__ __forceinline__ int advance(Pixel& at) const {
        const bool row_ends = ++at.column == piece.columns;
        at.column = row_ends ? 0 : at.column;
        at.row += row_ends ? 1 : 0;
        const bool image_ends = at.row == piece.rows;
        at.row = image_ends ? 0 : at.row;
        return step + (row_ends ? step * (width - piece.columns) : 0) + (image_ends ? width * (height - step * piece.rows) : 0);
    }

    // A thread takes one chunk of neighbouring pixels. Both factors take the same pixels: what follows from the thread's number
    // alone, and comes before the first branch, is computed once for both.
    __device__ __forceinline__ void stage(float* tile, int slice) const {
        constexpr int chunks = Lines / 4, passes = Lines * slice_depth / 4 / Threads;
        const int thread = static_cast<int>(threadIdx.x), chunk = thread % chunks, row = thread / chunks * passes;
        const int k = slice * slice_depth + row;
        Pixel at = pixel(k);
        long long from[passes];
        from[0] = offset(at) + 4 * chunk;
#pragma unroll
        for (int i = 1; i < passes; ++i) {
            from[i] = from[i - 1] + static_cast<long long>(advance(at)) * stride;
        }

        if (lines >= Lines && (slice + 1) * slice_depth <= depth) {
#pragma unroll
            for (int i = 0; i < passes; ++i) {
                copy_async16(tile + chunk_word<Along::lines, Lines>(row + i, chunk), source + from[i], true);
            }

            return;
        }

        const int count = 4 * chunk < lines ? depth - k : 0;
#pragma unroll
        for (int i = 0; i < passes; ++i) {
            copy_async16(tile + chunk_word<Along::lines, Lines>(row + i, chunk), i < count ? source + from[i] : source, i < count);
        }
    }

    __device__ __forceinline__ float at(int line, int k) const { return source[offset(pixel(k)) + line]; }
};

template <class Shape, Precision P>
static __device__ __forceinline__ void correlate(const ConvolutionCorrelateArguments& args, float* shared) {
    const ConvolutionItem item = args.items[blockIdx.x];
    const ConvolutionPiece piece = args.pieces[item.piece];
    const float* const pixels = args.pixels + static_cast<long long>(blockIdx.y) * args.group_pixels;
    const float* const partners = pixels + static_cast<long long>(piece.lag) * args.stride;
    const PixelOperand<Shape::Rows, Shape::Threads> a{
        pixels + item.row, piece, args.stride, args.height, args.width, args.step, args.channels - item.row, item.first, item.depth};
    const PixelOperand<Shape::Columns, Shape::Threads> b{
        partners + item.column, piece, args.stride, args.height, args.width, args.step, args.channels - item.column, item.first, item.depth};
    const LanePlace<Shape> lane;
    const bool diagonal = piece.lag == 0 && item.row == item.column;
    const bool above = diagonal && lane.column >= lane.row + Shape::WarpRows;
    const bool active = lane.row < a.lines && lane.column < b.lines && !above;
    Sums<Shape> sums = {};
    multiply_slices<Shape, P>(shared, a, b, (item.depth + slice_depth - 1) / slice_depth, diagonal, active, sums, [](const float*) {});
    if constexpr (P == Precision::split) {
        repair<Shape>(shared, a, b, sums);
    }

    const long long size = static_cast<long long>(args.channels) * args.stride;
    float* const part = args.parts + static_cast<long long>(blockIdx.y) * args.group_parts + item.slot * size;
    store_tile<Shape>(sums, Result{part + static_cast<long long>(item.row) * args.stride + item.column, args.stride, a.lines, b.lines, 1.0f, 0.0f, true});
}

}  // namespace kfac

// Kernels convolution_<precision>_<size>.
#define KFAC_CONVOLUTION(precision, size)                                                                                          \
    KFAC_KERNEL(convolution_##precision##_##size, ConvolutionCorrelateArguments, kfac::Shapes<kfac::Precision::precision>::size::Threads) { \
        KFAC_DYNAMIC_SHARED(float, shared);                                                                                        \
        kfac::correlate<kfac::Shapes<kfac::Precision::precision>::size, kfac::Precision::precision>(args, shared);                 \
    }
#define KFAC_CONVOLUTIONS(precision)   \
    KFAC_CONVOLUTION(precision, large) \
    KFAC_CONVOLUTION(precision, small)
