// What comes before the rounds of block Jacobi: symmetric_eigen.cuh. Matrices along y, strips of 32 rows along x.
#include "symmetric_eigen.cuh"

#include "block_reduce.cuh"

namespace kfac {

// The sum of squares of the strip's elements for which `value` does not give zero; value(row, column) is called for whole warps along a row.
template <typename Value>
static __device__ __forceinline__ double sum_strip(int rows, int columns, Value value) {
    double sum = 0.0;
    const int first = static_cast<int>(blockIdx.x) * eigen_strip, end = ::min(first + eigen_strip, rows);
    for (int i = first; i < end; ++i) {
        for (int j = static_cast<int>(threadIdx.x); j < columns; j += eigen_threads) {
            const double x = static_cast<double>(value(i, j));
            sum += x * x;
        }
    }

    return combine_block(sum, 0.0, Sum());
}

// Adds what the strips left, in their order.
static __device__ __forceinline__ double sum_strips(const double* sums, int strips) {
    double sum = 0.0;
    for (int i = 0; i < strips; ++i) {
        sum += sums[4 * i];
    }

    return sum;
}

}  // namespace kfac

// The largest magnitude of the lower triangle; not finite where an element is not.
KFAC_KERNEL(symmetric_eigen_largest, SymmetricEigenArguments, kfac::eigen_threads) {
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int first = static_cast<int>(blockIdx.x) * kfac::eigen_strip;
    if (first >= item.size) {
        return;
    }

    int largest = 0;
    for (int i = first; i < ::min(first + kfac::eigen_strip, item.size); ++i) {
        for (int j = static_cast<int>(threadIdx.x); j <= i; j += kfac::eigen_threads) {
            largest = ::max(largest, static_cast<int>(kfac::bits(kfac::abs(item.matrix[i * item.matrix_stride + j]))));
        }
    }

    largest = kfac::combine_block(largest, 0, kfac::Maximum());
    if (threadIdx.x == 0) {
        atomicMax(&item.state->largest, largest);
    }
}

// A <- the matrix scaled, both triangles, padded with zeros; zero where it is not finite. V <- I.
KFAC_KERNEL(symmetric_eigen_load, SymmetricEigenArguments, kfac::eigen_threads) {
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int padded = kfac::eigen_padded(args, item), tiles = padded / kfac::eigen_strip;
    const int row = static_cast<int>(blockIdx.x) / tiles * kfac::eigen_strip, column = static_cast<int>(blockIdx.x) % tiles * kfac::eigen_strip;
    if (row >= padded) {
        return;
    }

    __shared__ float tile[kfac::eigen_strip][kfac::eigen_strip + 1];
    const bool finite = kfac::eigen_is_finite(*item.state);
    const kfac::EigenScale scale(*item.state, false);
    const bool lower = row >= column;
    const int from_row = lower ? row : column, from_column = lower ? column : row;
    const int lane = static_cast<int>(threadIdx.x) % kfac::eigen_strip, group = static_cast<int>(threadIdx.x) / kfac::eigen_strip;
    for (int i = group; i < kfac::eigen_strip; i += kfac::eigen_threads / kfac::eigen_strip) {
        const bool inside = finite && from_row + i < item.size && from_column + lane <= from_row + i;
        tile[i][lane] = inside ? scale(item.matrix[(from_row + i) * item.matrix_stride + from_column + lane]) : 0.0f;
    }

    __syncthreads();
    for (int i = group; i < kfac::eigen_strip; i += kfac::eigen_threads / kfac::eigen_strip) {
        const bool as_read = row > column || (row == column && lane <= i);
        const long long at = static_cast<long long>(row + i) * padded + column + lane;
        item.a[at] = as_read ? tile[i][lane] : tile[lane][i];
        item.v[at] = row + i == column + lane ? 1.0f : 0.0f;
    }
}

// Squares of A off and on its diagonal, by strips.
KFAC_KERNEL(symmetric_eigen_squares, SymmetricEigenArguments, kfac::eigen_threads) {
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int padded = kfac::eigen_padded(args, item), strip = static_cast<int>(blockIdx.x);
    if (strip * kfac::eigen_strip >= padded) {
        return;
    }

    const double off = kfac::sum_strip(
        padded, padded, [&](int i, int j) { return i == j ? 0.0f : item.a[static_cast<long long>(i) * padded + j]; });
    const double on = kfac::sum_strip(
        padded, padded, [&](int i, int j) { return i == j ? item.a[static_cast<long long>(i) * padded + j] : 0.0f; });
    if (threadIdx.x == 0) {
        item.sums[4 * strip] = off;
        item.sums[4 * strip + 1] = on;
    }
}

// Where there is a previous basis: squares of A in that basis, off the diagonal, and of the basis' inner products less I.
KFAC_KERNEL(symmetric_eigen_try, SymmetricEigenArguments, kfac::eigen_threads) {
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int strip = static_cast<int>(blockIdx.x);
    if (item.previous == nullptr || strip * kfac::eigen_strip >= item.size) {
        return;
    }

    const int padded = kfac::eigen_padded(args, item);
    const double off = kfac::sum_strip(
        item.size, item.size, [&](int i, int j) { return i == j ? 0.0f : item.trial[static_cast<long long>(i) * padded + j]; });
    const double skew = kfac::sum_strip(
        item.size, item.size, [&](int i, int j) { return item.gram[static_cast<long long>(i) * padded + j] - (i == j ? 1.0f : 0.0f); });
    if (threadIdx.x == 0) {
        item.sums[4 * strip + 2] = off;
        item.sums[4 * strip + 3] = skew;
    }
}

// The threshold, and what becomes of the previous basis; one thread a matrix. The basis serves where it is orthogonal and leaves at
// most a tenth of A off the diagonal: with more, the rounds would take as long as from scratch.
KFAC_KERNEL(symmetric_eigen_decide, SymmetricEigenArguments, 32) {
    if (threadIdx.x != 0) {
        return;
    }

    const SymmetricEigenItem& item = args.items[blockIdx.x];
    kfac::EigenState& state = *item.state;
    constexpr double epsilon = 1.0 / (1 << 24);
    const int strips = kfac::eigen_padded(args, item) / kfac::eigen_strip;
    const double size = static_cast<double>(item.size);
    const double total = kfac::sum_strips(item.sums, strips) + kfac::sum_strips(item.sums + 1, strips);
    const double norm = kfac::sqrt(total / (size < 1.0 ? 1.0 : size));
    state.norm = static_cast<float>(norm < 1.0 ? 1.0 : norm);  // the largest element is from 1 to 2, or there is none
    const double elements = size < 4.0 ? 2.0 : size > 144.0 ? 12.0 : kfac::sqrt(size);
    state.threshold = static_cast<float>(elements * epsilon) * state.norm;
    state.done = kfac::eigen_is_finite(state) ? 0 : 1;
    if (item.previous == nullptr || state.done != 0) {
        return;
    }

    const int used = (item.size + kfac::eigen_strip - 1) / kfac::eigen_strip;
    const double off = kfac::sqrt(kfac::sum_strips(item.sums + 2, used)), skew = kfac::sqrt(kfac::sum_strips(item.sums + 3, used));
    const double unit = args.tolerance * size * epsilon;
    if (!(skew <= unit && off <= 0.1 * kfac::sqrt(total))) {
        state.route = kfac::route_fell_back;
    } else if (off <= unit * static_cast<double>(state.norm) || off <= args.keep_below * kfac::sqrt(total)) {
        state.route = kfac::route_kept;
        state.done = 1;
    } else {
        state.route = kfac::route_refined;
    }
}

// A <- A in the previous basis, symmetric, and V <- the basis, where it serves.
KFAC_KERNEL(symmetric_eigen_accept, SymmetricEigenArguments, kfac::eigen_threads) {
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int first = static_cast<int>(blockIdx.x) * kfac::eigen_strip;
    const int route = item.state->route;
    if (item.previous == nullptr || (route != kfac::route_kept && route != kfac::route_refined) || first >= item.size) {
        return;
    }

    const int padded = kfac::eigen_padded(args, item);
    for (int i = first; i < ::min(first + kfac::eigen_strip, item.size); ++i) {
        for (int j = static_cast<int>(threadIdx.x); j < item.size; j += kfac::eigen_threads) {
            const long long at = static_cast<long long>(i) * padded + j, mirrored = static_cast<long long>(j) * padded + i;
            item.a[at] = 0.5f * (item.trial[at] + item.trial[mirrored]);
            item.v[at] = item.previous[i * item.previous_stride + j];
        }
    }
}
