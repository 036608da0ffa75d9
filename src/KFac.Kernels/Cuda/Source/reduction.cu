// Reduction: sums in float64. Blocks leave partial results, which one more block adds; how the matrix is cut, and with it the order
// of the additions, depends on its shape alone.
#include "row_grid.cuh"

struct ReductionArguments {
    const float* x;
    const float* y;
    const int* labels;
    void* partial;  // one entry a block; the result itself where there is one block
    void* result;
    long long x_stride;
    long long y_stride;
    kfac::ElementRange range;
    int partials;
    int chunk;  // rows whose column sums a block adds
    float alpha;
    float beta;
};

constexpr long long none = 0x7fffffffffffffffll;

template <typename T, typename Combine>
static __device__ __forceinline__ void leave(const ReductionArguments& args, T value, T identity, Combine combine) {
    value = kfac::combine_block(value, identity, combine);
    if (threadIdx.x == 0) {
        static_cast<T*>(args.partial)[blockIdx.x] = value;
    }
}

// The partial results into one, by one block.
template <typename T, typename Combine>
static __device__ __forceinline__ T gather(const ReductionArguments& args, T identity, Combine combine) {
    T value = identity;
    for (int i = static_cast<int>(threadIdx.x); i < args.partials; i += static_cast<int>(blockDim.x)) {
        value = combine(value, static_cast<const T*>(args.partial)[i]);
    }

    return kfac::combine_block(value, identity, combine);
}

KFAC_KERNEL(sum, ReductionArguments, 256) {
    double total = 0.0;
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        for (const float v : kfac::load(width, args.x + i * args.x_stride + j).at) {
            total += v;
        }
    });
    leave(args, total, 0.0, kfac::Sum());
}

KFAC_KERNEL(dot, ReductionArguments, 256) {
    double total = 0.0;
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto x = kfac::load(width, args.x + i * args.x_stride + j);
        const auto y = kfac::load(width, args.y + i * args.y_stride + j);
        for (int k = 0; k < width; k++) {
            total += static_cast<double>(x.at[k]) * y.at[k];
        }
    });
    leave(args, total, 0.0, kfac::Sum());
}

KFAC_KERNEL(trace, ReductionArguments, 256) {
    double total = 0.0;
    for (int i = static_cast<int>(threadIdx.x); i < args.range.rows; i += static_cast<int>(blockDim.x)) {
        total += args.x[i * (args.x_stride + 1)];
    }

    leave(args, total, 0.0, kfac::Sum());
}

KFAC_KERNEL(gather_sum, ReductionArguments, 256) {
    const double total = gather(args, 0.0, kfac::Sum());
    if (threadIdx.x == 0) {
        *static_cast<double*>(args.result) = total;
    }
}

// A block compares a tile on or below the diagonal with its mirror image, read along its rows and turned in shared memory.
KFAC_KERNEL(max_asymmetry, ReductionArguments, 256) {
    constexpr int tile = 32;
    __shared__ float mirror[tile][tile + 1];
    if (blockIdx.x > blockIdx.y) {
        return;
    }

    const int lane = static_cast<int>(threadIdx.x) % tile;
    const int first_row = static_cast<int>(blockIdx.y) * tile, first_column = static_cast<int>(blockIdx.x) * tile;
    for (int r = static_cast<int>(threadIdx.x) / tile; r < tile; r += 256 / tile) {
        if (first_column + r < args.range.rows && first_row + lane < args.range.rows) {
            mirror[r][lane] = args.x[(first_column + r) * args.x_stride + first_row + lane];
        }
    }

    __syncthreads();
    double maximum = 0.0;
    for (int r = static_cast<int>(threadIdx.x) / tile; r < tile; r += 256 / tile) {
        if (first_row + r < args.range.rows && first_column + lane < args.range.rows) {
            const double here = args.x[(first_row + r) * args.x_stride + first_column + lane];
            const double difference = here - mirror[lane][r];
            maximum = kfac::Maximum()(maximum, difference < 0.0 ? -difference : difference);
        }
    }

    maximum = kfac::combine_block(maximum, 0.0, kfac::Maximum());
    if (threadIdx.x == 0) {
        static_cast<double*>(args.partial)[blockIdx.y * (blockIdx.y + 1) / 2 + blockIdx.x] = maximum;
    }
}

KFAC_KERNEL(gather_maximum, ReductionArguments, 256) {
    const double maximum = gather(args, 0.0, kfac::Maximum());
    if (threadIdx.x == 0) {
        *static_cast<double*>(args.result) = maximum;
    }
}

KFAC_KERNEL(first_non_finite, ReductionArguments, 256) {
    long long first = none;
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto x = kfac::load(width, args.x + i * args.x_stride + j);
        for (int k = 0; k < width; k++) {
            if ((kfac::bits(x.at[k]) & 0x7f800000u) == 0x7f800000u) {
                first = kfac::Minimum()(first, static_cast<long long>(i) * args.range.columns + j + k);
            }
        }
    });
    leave(args, first, none, kfac::Minimum());
}

KFAC_KERNEL(gather_first, ReductionArguments, 256) {
    const long long first = gather(args, none, kfac::Minimum());
    if (threadIdx.x == 0) {
        *static_cast<long long*>(args.result) = first == none ? -1 : first;
    }
}

// A warp a row: the largest score, the first of equals, at the label; NaN anywhere makes the row wrong.
KFAC_KERNEL(count_correct, ReductionArguments, 256) {
    long long correct = 0;
    kfac::for_each_row<kfac::WarpTeam>(args.range, [&](int row) {
        float maximum = -kfac::infinity;
        int best = 0x7fffffff;
        kfac::for_each_in_row<kfac::WarpTeam>(args.range, [&](auto width, int j) {
            const auto x = kfac::load(width, args.x + row * args.x_stride + j);
            for (int k = 0; k < width; k++) {
                if (kfac::is_nan(x.at[k]) || x.at[k] > maximum || (x.at[k] == maximum && j + k < best)) {
                    maximum = x.at[k];
                    best = j + k;
                }
            }
        });
        const float overall = kfac::combine_warp(maximum, kfac::Maximum());
        const long long where = kfac::combine_warp(maximum == overall ? static_cast<long long>(best) : none, kfac::Minimum());
        correct += kfac::WarpTeam::thread() == 0 && where == args.labels[row] ? 1 : 0;
    });
    leave(args, correct, 0ll, kfac::Sum());
}

KFAC_KERNEL(gather_count, ReductionArguments, 256) {
    const long long count = gather(args, 0ll, kfac::Sum());
    if (threadIdx.x == 0) {
        *static_cast<long long*>(args.result) = count;
    }
}

static __device__ __forceinline__ void finish_column(const ReductionArguments& args, int column, double total) {
    float& result = static_cast<float*>(args.result)[column];
    const double old = args.beta == 0.0f ? 0.0 : static_cast<double>(args.beta) * result;
    result = static_cast<float>(args.alpha * total + old);
}

// 32 columns of a chunk of rows a block: a warp reads along a row, eight warps take every eighth row.
KFAC_KERNEL(column_sum, ReductionArguments, 256) {
    __shared__ double parts[8][32];
    const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
    const int column = static_cast<int>(blockIdx.x) * 32 + lane;
    const int first = static_cast<int>(blockIdx.y) * args.chunk;
    const int end = args.range.rows - first > args.chunk ? first + args.chunk : args.range.rows;
    double total = 0.0;
    if (column < args.range.columns) {
        for (int row = first + warp; row < end; row += 8) {
            total += args.x[row * args.x_stride + column];
        }
    }

    parts[warp][lane] = total;
    __syncthreads();
    if (warp != 0 || column >= args.range.columns) {
        return;
    }

    for (int other = 1; other < 8; other++) {
        total += parts[other][lane];
    }

    if (gridDim.y == 1) {
        finish_column(args, column, total);
    } else {
        static_cast<double*>(args.partial)[static_cast<long long>(blockIdx.y) * args.range.columns + column] = total;
    }
}

KFAC_KERNEL(gather_column_sum, ReductionArguments, 256) {
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (column < args.range.columns) {
        double total = 0.0;
        for (int part = 0; part < args.partials; part++) {
            total += static_cast<const double*>(args.partial)[static_cast<long long>(part) * args.range.columns + column];
        }

        finish_column(args, column, total);
    }
}

template <typename Team>
static __device__ __forceinline__ void row_dot(const ReductionArguments& args) {
    kfac::for_each_row<Team>(args.range, [&](int row) {
        double total = 0.0;
        kfac::for_each_in_row<Team>(args.range, [&](auto width, int j) {
            const auto x = kfac::load(width, args.x + row * args.x_stride + j);
            const auto y = kfac::load(width, args.y + row * args.y_stride + j);
            for (int k = 0; k < width; k++) {
                total += static_cast<double>(x.at[k]) * y.at[k];
            }
        });
        total = Team::combine(total, 0.0, kfac::Sum());
        if (Team::thread() == 0) {
            static_cast<float*>(args.result)[row] = static_cast<float>(args.alpha * total);
        }
    });
}

KFAC_KERNEL(row_dot_by_warps, ReductionArguments, 256) { row_dot<kfac::WarpTeam>(args); }
KFAC_KERNEL(row_dot_by_blocks, ReductionArguments, 256) { row_dot<kfac::BlockTeam>(args); }
