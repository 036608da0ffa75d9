// Attention in tiles of 64 queries and 64 keys: what the kernels of attention*.cu are made of. No matrix of scores is stored, none
// of the sums depends on timing: a block owns 64 rows and up to 64 columns of one result, and walks along the other side.
//
//   forward          rows are queries: S = Q·Kᵀ, online softmax (the running maximum rescales sum and result), O += P·V
//   query gradient   rows are queries: S = Q·Kᵀ, U = ∂O·Vᵀ, ∂Q += scale·P∘(U − D)·K
//   key gradient     rows are keys, the same transposed: ∂K += scale·(P∘(U − D))ᵀ·Q
//   value gradient   rows are keys: ∂V += Pᵀ·∂O
// with P = exp(scale·S − log sum) and D = rowsum(∂O∘O). The last three are one template; that S and U are formed again for each of
// them costs 8 products where 5 would do with atomic additions or another matrix, and keeps results exact in their order.
//
// Products are those of product_multiplier.cuh, at its precisions: heads wider than 64 are streamed in slices of 32 columns, results
// wider than 64 columns go to several blocks, which form the scores each for themselves. Shared memory holds three slices of both
// factors (48 KB), the weights as the left factor of the second product (16 KB) and, while they are formed, its right factor.
// Infinities in queries, keys and values may come out as NaN.
#pragma once

#include "block_reduce.cuh"
#include "product_tile.cuh"

struct AttentionKernelArguments {
    const float* queries;
    const float* keys;
    const float* values;
    const float* output_gradients;
    const float* deltas;    // D, [seeds·examples·queries, heads]
    const int* key_counts;  // or null
    float* log_sums;
    float* result;
    long long query_stride, key_stride, value_stride, output_gradient_stride, log_sum_stride, result_stride;
    int examples, heads, query_count, key_count, key_width, value_width;
    int causal;
    int aligned;  // whether rows of heads start at multiples of 16 bytes: 1 queries, 2 keys, 4 values, 8 output gradients, 16 result
    float scale;
    float beta;  // of the result
};

namespace kfac {

constexpr int attention_tile = 64;
using AttentionShape = TileShape<attention_tile, attention_tile, 32, 32, 3>;
using AttentionSums = Sums<AttentionShape>;
constexpr int attention_slice = attention_tile * slice_depth;  // words

// One head of one sequence.
struct HeadMatrix {
    const float* first;
    long long stride;
    int width;
    bool aligned;

    // Rows from `row` to before `end` and columns from `column` on, as a factor.
    template <Along A>
    __device__ __forceinline__ StridedOperand<A, attention_tile, AttentionShape::Threads> part(int row, int end, int column) const {
        const int rows = end - row, columns = width - column;
        return {first + row * stride + column, stride, A == Along::lines ? columns : rows, A == Along::lines ? rows : columns, aligned};
    }
};

// Which head a block works for, which rows and columns of the result it owns, and who sees whom. Tiles of one head follow each other,
// so that what they all read stays in the second-level cache, those with the longest walk first.
struct AttentionBlock {
    const AttentionKernelArguments& args;
    int row, column, head, present;
    long long example, seed_example;  // the gradients' example, of all seeds

    __device__ __forceinline__ AttentionBlock(const AttentionKernelArguments& arguments, int rows, int width, bool last_first) : args(arguments) {
        const int tiles = (rows + attention_tile - 1) / attention_tile, columns = (width + attention_tile - 1) / attention_tile;
        const int index = static_cast<int>(blockIdx.x), rank = index / columns % tiles, of_all = index / columns / tiles;
        column = index % columns * attention_tile;
        row = (last_first ? tiles - 1 - rank : rank) * attention_tile;
        head = of_all % args.heads;
        seed_example = of_all / args.heads;
        example = seed_example % args.examples;
        present = args.key_counts == nullptr ? args.key_count : max(0, min(args.key_counts[example], args.key_count));
    }

    __device__ __forceinline__ HeadMatrix queries() const { return of(args.queries, args.query_stride, example * args.query_count, args.key_width, 1); }
    __device__ __forceinline__ HeadMatrix keys() const { return of(args.keys, args.key_stride, example * args.key_count, args.key_width, 2); }
    __device__ __forceinline__ HeadMatrix values() const { return of(args.values, args.value_stride, example * args.key_count, args.value_width, 4); }
    __device__ __forceinline__ HeadMatrix output_gradients() const {
        return of(args.output_gradients, args.output_gradient_stride, seed_example * args.query_count, args.value_width, 8);
    }

    __device__ __forceinline__ HeadMatrix of(const float* all, long long stride, long long row, int width, int flag) const {
        return {all + row * stride + static_cast<long long>(head) * width, stride, width, (args.aligned & flag) != 0};
    }

    // Keys from here on are not seen by the query.
    __device__ __forceinline__ int seen(int query) const {
        return args.causal == 0 ? present : max(0, min(present, query + 1 + args.key_count - args.query_count));
    }

    __device__ __forceinline__ bool sees(int query, int key) const { return query < args.query_count && key < seen(query); }

    // The first query that sees the key.
    __device__ __forceinline__ int first_query(int key) const { return args.causal == 0 ? 0 : max(0, key + args.query_count - args.key_count); }

    __device__ __forceinline__ float* log_sum(int query) const {
        return args.log_sums + (example * args.query_count + query) * args.log_sum_stride + head;
    }

    __device__ __forceinline__ float delta(int query) const {
        return args.deltas[(seed_example * args.query_count + query) * args.heads + head];
    }

    __device__ __forceinline__ void store(const AttentionSums& sums, int rows, int width) const {
        float* const head_result = args.result + (seed_example * rows + row) * args.result_stride + static_cast<long long>(head) * width;
        store_tile<AttentionShape>(
            sums, Result{head_result + column, args.result_stride, rows - row, width - column, 1.0f, args.beta, (args.aligned & 16) != 0});
    }
};

// left·rightᵀ, both from the given rows to before their ends.
template <Precision P>
static __device__ __forceinline__ void multiply_rows(
    float* shared, const HeadMatrix& left, int left_row, int left_end, const HeadMatrix& right, int right_row, int right_end, AttentionSums& sums) {
    const auto a = left.part<Along::depth>(left_row, left_end, 0), b = right.part<Along::depth>(right_row, right_end, 0);
    const LanePlace<AttentionShape> lane;
    const bool active = lane.row < a.lines && lane.column < b.lines;
    multiply_slices<AttentionShape, P>(shared, a, b, (left.width + slice_depth - 1) / slice_depth, false, active, sums, [](const float*) {});
}

// Starts copying the right factor of add_weighted: columns of 64 rows.
static __device__ __forceinline__ void stage_rows(float* shared, const HeadMatrix& rows, int row, int end, int column) {
    const auto b = rows.part<Along::lines>(row, end, column);
#pragma unroll 1
    for (int slice = 0; slice < attention_tile / slice_depth; ++slice) {
        b.stage(shared + slice * attention_slice, slice);
    }

    commit_copies();
}

// Adds weights times the staged rows. The weights pass through shared memory behind the staged rows.
template <Precision P>
static __device__ __forceinline__ void add_weighted(float* shared, const AttentionSums& weights, AttentionSums& sums) {
    float* const held = shared + AttentionShape::Stages * AttentionShape::StageWords;
    const LanePlace<AttentionShape> lane;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int row = lane.row_of(0, i / 2), column = lane.column_of(0, i % 2);
        const float(&w)[4] = weights.at[0][i / 2][0][i % 2];
        const int word = column / slice_depth * attention_slice + chunk_word<Along::depth, attention_tile>(row, column % slice_depth / 4);
        *reinterpret_cast<float4*>(held + word) = make_float4(w[0], w[1], w[2], w[3]);
    }

    wait_copies<0>();
    __syncthreads();
#pragma unroll 1
    for (int slice = 0; slice < attention_tile / slice_depth; ++slice) {
        multiply_slice<AttentionShape, P, Along::depth, Along::lines>(
            held + slice * attention_slice, shared + slice * attention_slice, lane, sums);
    }

    __syncthreads();
}

// Visits a lane's elements with their place in the tile: body(element, row 0..3 of the lane, column 0..7 of the lane, row, column).
template <class Body>
static __device__ __forceinline__ void for_each_weight(AttentionSums& sums, Body body) {
    const LanePlace<AttentionShape> lane;
#pragma unroll
    for (int i = 0; i < 32; ++i) {
        const int lane_row = i / 8, lane_column = i % 8;
        body(
            sums.at[0][lane_row][0][lane_column / 4][lane_column % 4], lane_row, lane_column, lane.row_of(0, lane_row),
            lane.column_of(0, lane_column / 4) + lane_column % 4);
    }
}

// Over the rows of the tile: each lane brings what it has of its four rows, and all get the result. A barrier must come between calls.
template <class Combine>
static __device__ __forceinline__ void combine_rows(float (&values)[4], Combine combine) {
    __shared__ float halves[2][attention_tile];
    const LanePlace<AttentionShape> lane;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        values[i] = combine(values[i], from_lane(values[i], 1));
        values[i] = combine(values[i], from_lane(values[i], 2));
        if (lane.member == 0) {
            halves[lane.column / 32][lane.row_of(0, i)] = values[i];
        }
    }

    __syncthreads();
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        values[i] = combine(halves[0][lane.row_of(0, i)], halves[1][lane.row_of(0, i)]);
    }
}

// The softmax of the keys so far: each lane's part of the sums of its four rows.
struct OnlineSoftmax {
    float largest[4] = {-infinity, -infinity, -infinity, -infinity};
    float sum[4] = {};

    // Scores become weights relative to the largest score so far; what was summed before is brought to the same scale.
    __device__ __forceinline__ void add(const AttentionBlock& block, int key, AttentionSums& scores, AttentionSums& outputs) {
        float now[4] = {largest[0], largest[1], largest[2], largest[3]};
        for_each_weight(scores, [&](float& score, int i, int, int row, int column) {
            score = block.sees(block.row + row, key + column) ? block.args.scale * score : -infinity;
            now[i] = Maximum()(now[i], score);
        });
        combine_rows(now, Maximum());
        float factor[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float origin = now[i] == -infinity ? 0.0f : now[i];
            factor[i] = exp(largest[i] - origin);
            sum[i] *= factor[i];
            largest[i] = now[i];
        }

        for_each_weight(scores, [&](float& score, int i, int, int, int) {
            score = exp(score - (largest[i] == -infinity ? 0.0f : largest[i]));
            sum[i] += score;
        });
        for_each_weight(outputs, [&](float& output, int i, int, int, int) { output *= factor[i]; });
    }
};

template <Precision P>
static __device__ __forceinline__ void attention_forward(const AttentionKernelArguments& args, float* shared) {
    const AttentionBlock block(args, args.query_count, args.value_width, true);
    const HeadMatrix queries = block.queries(), keys = block.keys(), values = block.values();
    const int end = block.seen(min(block.row + attention_tile, args.query_count) - 1);
    OnlineSoftmax softmax;
    AttentionSums outputs = {};
    for (int key = 0; key < end; key += attention_tile) {
        AttentionSums scores = {};
        multiply_rows<P>(shared, queries, block.row, args.query_count, keys, key, block.present, scores);
        stage_rows(shared, values, key, block.present, block.column);
        softmax.add(block, key, scores, outputs);
        add_weighted<P>(shared, scores, outputs);
    }

    combine_rows(softmax.sum, Sum());
    for_each_weight(outputs, [&](float& output, int i, int, int, int) {
        output *= softmax.sum[i] == 0.0f ? 0.0f : 1.0f / softmax.sum[i];
    });
    block.store(outputs, args.query_count, args.value_width);
    const LanePlace<AttentionShape> lane;
    for (int i = 0; i < 4; ++i) {
        const int query = block.row + lane.row_of(0, i);
        if (block.column == 0 && lane.member == 0 && lane.column == 0 && query < args.query_count) {
            *block.log_sum(query) = softmax.largest[i] + log(softmax.sum[i]);
        }
    }
}

enum class AttentionGradient { query, key, value };

// What the weights of a lane need of its queries, which are its 4 rows or its 8 columns.
template <int Count>
struct QueryValues {
    float log_sum[Count], delta[Count];

    template <class QueryOf>
    __device__ __forceinline__ void load(const AttentionBlock& block, bool with_deltas, QueryOf query_of) {
#pragma unroll
        for (int i = 0; i < Count; ++i) {
            const int query = query_of(i);
            const bool inside = query < block.args.query_count;
            log_sum[i] = inside ? *block.log_sum(query) : 0.0f;
            delta[i] = inside && with_deltas ? block.delta(query) : 0.0f;
        }
    }
};

template <Precision P, AttentionGradient G>
static __device__ __forceinline__ void attention_gradient(const AttentionKernelArguments& args, float* shared) {
    constexpr bool by_queries = G == AttentionGradient::query, of_value = G == AttentionGradient::value;
    const int rows = by_queries ? args.query_count : args.key_count, width = of_value ? args.value_width : args.key_width;
    const AttentionBlock block(args, rows, width, by_queries);
    const HeadMatrix queries = block.queries(), keys = block.keys(), values = block.values(), gradients = block.output_gradients();
    const int row_end = by_queries ? args.query_count : block.present, step_end = by_queries ? block.present : args.query_count;
    const int begin = by_queries ? 0 : block.first_query(block.row) / attention_tile * attention_tile;
    const int end = by_queries ? block.seen(min(block.row + attention_tile, rows) - 1) : block.row < block.present ? args.query_count : 0;
    const LanePlace<AttentionShape> lane;
    QueryValues<by_queries ? 4 : 8> of_query;
    if constexpr (by_queries) {
        of_query.load(block, true, [&](int i) { return block.row + lane.row_of(0, i); });
    }

    AttentionSums sums = {};
    for (int step = begin; step < end; step += attention_tile) {
        AttentionSums weights = {}, products = {};
        multiply_rows<P>(shared, by_queries ? queries : keys, block.row, row_end, by_queries ? keys : queries, step, step_end, weights);
        if constexpr (!of_value) {
            multiply_rows<P>(
                shared, by_queries ? gradients : values, block.row, row_end, by_queries ? values : gradients, step, step_end, products);
        }

        stage_rows(shared, by_queries ? keys : of_value ? gradients : queries, step, step_end, block.column);
        if constexpr (!by_queries) {
            of_query.load(block, !of_value, [&](int i) { return step + lane.column_of(0, i / 4) + i % 4; });
        }

        for_each_weight(weights, [&](float& weight, int i, int j, int row, int column) {
            const int query = by_queries ? block.row + row : step + column, key = by_queries ? step + column : block.row + row;
            const int at = by_queries ? i : j;
            const float p = exp(args.scale * weight - of_query.log_sum[at]);
            const float product = products.at[0][i][0][j / 4][j % 4];
            weight = !block.sees(query, key) ? 0.0f : of_value ? p : args.scale * p * (product - of_query.delta[at]);
        });
        add_weighted<P>(shared, weights, sums);
    }

    block.store(sums, rows, width);
}

}  // namespace kfac

// Kernels attention_<precision>_<result>.
#define KFAC_ATTENTION_KERNEL(precision, result, ...)                                                                   \
    KFAC_KERNEL(attention_##precision##_##result, AttentionKernelArguments, kfac::AttentionShape::Threads) {            \
        KFAC_DYNAMIC_SHARED(float, shared);                                                                             \
        kfac::__VA_ARGS__(args, shared);                                                                                \
    }
#define KFAC_ATTENTION(precision)                                                                                       \
    KFAC_ATTENTION_KERNEL(precision, forward, attention_forward<kfac::Precision::precision>)                            \
    KFAC_ATTENTION_KERNEL(precision, query_gradient, attention_gradient<kfac::Precision::precision, kfac::AttentionGradient::query>) \
    KFAC_ATTENTION_KERNEL(precision, key_gradient, attention_gradient<kfac::Precision::precision, kfac::AttentionGradient::key>)     \
    KFAC_ATTENTION_KERNEL(precision, value_gradient, attention_gradient<kfac::Precision::precision, kfac::AttentionGradient::value>)
