// Visits each element of a matrix once, in packs of four where every operand allows accesses of 16 bytes. ElementRange.cs cuts the
// matrix and chooses the grid: neighbouring threads take neighbouring packs, and the grid may be smaller than the matrix.
#pragma once

#include "platform.cuh"

namespace kfac {

// Rows that follow each other without gaps in all operands count as one.
struct ElementRange {
    int rows;
    int columns;
    int pack;  // elements a thread takes at once: 1 or 4
};

template <int W>
struct Width {
    static constexpr int value = W;
    __device__ constexpr operator int() const { return W; }
};

template <int W>
struct Pack {
    float at[W];
};

static __device__ __forceinline__ Pack<1> load(Width<1>, const float* source) { return {{*source}}; }
static __device__ __forceinline__ Pack<4> load(Width<4>, const float* source) {
    const float4 v = *reinterpret_cast<const float4*>(source);
    return {{v.x, v.y, v.z, v.w}};
}

static __device__ __forceinline__ void store(float* destination, const Pack<1>& values) { *destination = values.at[0]; }
static __device__ __forceinline__ void store(float* destination, const Pack<4>& values) {
    *reinterpret_cast<float4*>(destination) = make_float4(values.at[0], values.at[1], values.at[2], values.at[3]);
}

// f of each element.
template <int W, typename Function>
static __device__ __forceinline__ Pack<W> map(const Pack<W>& x, Function f) {
    Pack<W> result;
    for (int k = 0; k < W; k++) {
        result.at[k] = f(x.at[k]);
    }

    return result;
}
template <int W, typename Function>
static __device__ __forceinline__ Pack<W> map(const Pack<W>& x, const Pack<W>& y, Function f) {
    Pack<W> result;
    for (int k = 0; k < W; k++) {
        result.at[k] = f(x.at[k], y.at[k]);
    }

    return result;
}

// Calls body(Width<W>(), row, column of the first of W elements).
template <typename Body>
static __device__ __forceinline__ void for_each_pack(const ElementRange& range, Body body) {
    const unsigned per_row = static_cast<unsigned>(range.pack == 4 ? (range.columns + 3) / 4 : range.columns);
    const unsigned total = static_cast<unsigned>(range.rows) * per_row;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
        const unsigned row = range.rows == 1 ? 0 : i / per_row;
        const unsigned in_row = i - row * per_row;
        if (range.pack != 4) {
            body(Width<1>(), static_cast<int>(row), static_cast<int>(in_row));
            continue;
        }

        const int column = static_cast<int>(4 * in_row);
        if (column + 4 <= range.columns) {
            body(Width<4>(), static_cast<int>(row), column);
        } else {
            for (int rest = column; rest < range.columns; rest++) {
                body(Width<1>(), static_cast<int>(row), rest);
            }
        }
    }
}

}  // namespace kfac
