// RowGather. A warp takes a row of the gather; in the scatter the warp that has the first occurrence of an index adds all its rows, a
// few packs of columns at a time, so that no two warps write one place and sums have the order of the rows.
#include "element_grid.cuh"
#include "occurrences.cuh"

struct RowGatherArguments {
    kfac::Occurrences occurrences;  // of a gather the indices alone
    float* table;
    float* rows;
    long long table_stride;
    long long row_stride;
    kfac::ElementRange range;  // rows: of `rows`, or in scale_table of the table
    float beta;
};

constexpr int packs_per_lane = 4;

// Calls body(row, first column) on a warp for its part of a row.
template <typename Body>
static __device__ __forceinline__ void for_each_strip(const RowGatherArguments& args, Body body) {
    const int warps = static_cast<int>(blockDim.x) / 32;
    const int column = static_cast<int>(blockIdx.y) * 32 * packs_per_lane * args.range.pack;
    for (int row = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / 32; row < args.range.rows;
         row += static_cast<int>(gridDim.x) * warps) {
        body(row, column);
    }
}

// Calls body(i, column) for the lane's packs of a strip.
template <int W, typename Body>
static __device__ __forceinline__ void for_each_pack_of_lane(const RowGatherArguments& args, int first, Body body) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < packs_per_lane; i++) {
        const int column = first + W * (i * 32 + lane);
        if (column < args.range.columns) {
            body(i, column);
        }
    }
}

template <int W>
static __device__ __forceinline__ void gather(const RowGatherArguments& args) {
    for_each_strip(args, [&](int row, int first) {
        const int index = args.occurrences.indices[row];
        const bool inside = index >= 0 && index < args.occurrences.width;
        const float missing = index == -1 ? 0.0f : kfac::from_bits(0x7fc00000u);
        for_each_pack_of_lane<W>(args, first, [&](int, int column) {
            kfac::Pack<W> values;
            if (inside) {
                values = kfac::load(kfac::Width<W>(), args.table + index * args.table_stride + column);
            } else {
                for (float& value : values.at) {
                    value = missing;
                }
            }

            kfac::store(args.rows + row * args.row_stride + column, values);
        });
    });
}

KFAC_KERNEL(gather_ones, RowGatherArguments, 256) { gather<1>(args); }
KFAC_KERNEL(gather_fours, RowGatherArguments, 256) { gather<4>(args); }

KFAC_KERNEL(scale_table, RowGatherArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        float* const at = args.table + i * args.table_stride + j;
        if (args.beta == 0.0f) {
            kfac::store(at, kfac::Pack<decltype(width)::value>{});
        } else {
            kfac::store(at, kfac::map(kfac::load(width, at), [&](float v) { return args.beta * v; }));
        }
    });
}

template <int W>
static __device__ __forceinline__ void scatter_add(const RowGatherArguments& args) {
    for_each_strip(args, [&](int row, int first) {
        float sums[packs_per_lane][W] = {};  // Packs would stay in local memory
        bool any = false;
        kfac::for_each_occurrence(args.occurrences, row, [&](int place) {
            for_each_pack_of_lane<W>(args, first, [&](int i, int column) {
                const float* const entry = args.table + args.occurrences.indices[row] * args.table_stride + column;
                if (!any) {
                    const auto old = kfac::load(kfac::Width<W>(), entry);
#pragma unroll
                    for (int k = 0; k < W; k++) {
                        sums[i][k] = old.at[k];
                    }
                }

                const auto x = kfac::load(kfac::Width<W>(), args.rows + place * args.row_stride + column);
#pragma unroll
                for (int k = 0; k < W; k++) {
                    sums[i][k] += x.at[k];
                }
            });
            any = true;
        });
        if (any) {
            for_each_pack_of_lane<W>(args, first, [&](int i, int column) {
                kfac::Pack<W> sum;
#pragma unroll
                for (int k = 0; k < W; k++) {
                    sum.at[k] = sums[i][k];
                }

                kfac::store(args.table + args.occurrences.indices[row] * args.table_stride + column, sum);
            });
        }
    });
}

KFAC_KERNEL(scatter_add_ones, RowGatherArguments, 256) { scatter_add<1>(args); }
KFAC_KERNEL(scatter_add_fours, RowGatherArguments, 256) { scatter_add<4>(args); }
