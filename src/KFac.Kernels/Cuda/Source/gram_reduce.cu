// One row per example out of its rows, with what the same reduction makes of a column of ones: K-FAC-reduce before its Gram matrix.
// Bound by memory: X streams once, in chunks of 16 bytes a thread where rows allow.
#include "platform.cuh"

struct GramReduceArguments {
    const float* x;
    float* y;
    const int* offsets;  // null where every example has `sharing` rows
    long long x_stride, y_stride;
    int columns, sharing;
    int scale;        // as SharingScale: mean, sum, inverse square root
    int append_ones;  // whether column `columns` of y is what the reduction makes of ones
    int lanes;        // threads along the columns, a power of two up to 256
    int across;       // blocks along the columns
};

namespace kfac {

template <int Width>
struct Chunk {
    float at[Width];

    __device__ __forceinline__ void load(const float* from, int count) {
        if constexpr (Width == 4) {
            if (count >= 4) {
                const float4 word = *reinterpret_cast<const float4*>(from);
                at[0] = word.x;
                at[1] = word.y;
                at[2] = word.z;
                at[3] = word.w;
                return;
            }
        }

#pragma unroll
        for (int e = 0; e < Width; ++e) {
            at[e] = e < count ? from[e] : 0.0f;
        }
    }

    __device__ __forceinline__ void add(const Chunk& other) {
#pragma unroll
        for (int e = 0; e < Width; ++e) {
            at[e] += other.at[e];
        }
    }
};

static __device__ __forceinline__ float sharing_factor(int scale, int rows) {
    const float count = static_cast<float>(rows);
    return rows == 0 ? 0.0f : scale == 0 ? 1.0f / count : scale == 1 ? 1.0f : 1.0f / sqrt(count);
}

// A block takes `lanes` chunks of columns of one example: groups of threads add up every groups-th row, eight loads under way each, and
// the first group adds the groups' sums.
template <int Width>
static __device__ __forceinline__ void reduce_rows(const GramReduceArguments& args, Chunk<Width>* shared) {
    constexpr int ahead = 8;
    const int example = static_cast<int>(blockIdx.x) / args.across, strip = static_cast<int>(blockIdx.x) % args.across;
    const int thread = static_cast<int>(threadIdx.x);
    const int group = thread / args.lanes, groups = static_cast<int>(blockDim.x) / args.lanes;
    const int column = (strip * args.lanes + thread % args.lanes) * Width;
    const int first = args.offsets != nullptr ? args.offsets[example] : example * args.sharing;
    const int end = args.offsets != nullptr ? args.offsets[example + 1] : first + args.sharing;
    const float factor = sharing_factor(args.scale, end - first);
    const int count = args.columns - column;
    Chunk<Width> sum = {};
    if (count > 0) {
        int row = first + group;
        for (; row + (ahead - 1) * groups < end; row += ahead * groups) {
            Chunk<Width> loaded[ahead];
#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                loaded[i].load(args.x + (row + i * groups) * args.x_stride + column, count);
            }

#pragma unroll
            for (int i = 0; i < ahead; ++i) {
                sum.add(loaded[i]);
            }
        }

        for (; row < end; row += groups) {
            Chunk<Width> loaded;
            loaded.load(args.x + row * args.x_stride + column, count);
            sum.add(loaded);
        }
    }

    shared[thread] = sum;
    __syncthreads();
    float* const to = args.y + example * args.y_stride;
    if (group == 0) {
        for (int other = 1; other < groups; ++other) {
            sum.add(shared[other * args.lanes + thread]);
        }

#pragma unroll
        for (int e = 0; e < Width; ++e) {
            if (e < count) {
                to[column + e] = factor * sum.at[e];
            }
        }
    }

    if (args.append_ones != 0 && strip == 0 && thread == 0) {
        to[args.columns] = factor * static_cast<float>(end - first);
    }
}

}  // namespace kfac

// Rows of x start at multiples of 16 bytes.
KFAC_KERNEL(gram_reduce_aligned, GramReduceArguments, 256) {
    __shared__ kfac::Chunk<4> shared[256];
    kfac::reduce_rows<4>(args, shared);
}

KFAC_KERNEL(gram_reduce, GramReduceArguments, 256) {
    __shared__ kfac::Chunk<1> shared[256];
    kfac::reduce_rows<1>(args, shared);
}
