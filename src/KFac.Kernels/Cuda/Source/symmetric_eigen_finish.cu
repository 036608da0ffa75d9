// What comes after the rounds of block Jacobi: symmetric_eigen.cuh. Matrices along y.
#include "symmetric_eigen.cuh"

// Values in ascending order, equal ones by their columns, and which column each is; status and outcome.
KFAC_KERNEL(symmetric_eigen_order, SymmetricEigenArguments, kfac::eigen_threads) {
    __shared__ float others[kfac::eigen_threads];
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int padded = kfac::eigen_padded(args, item), thread = static_cast<int>(threadIdx.x);
    const int column = static_cast<int>(blockIdx.x) * kfac::eigen_threads + thread;
    if (blockIdx.x == 0 && thread == 0) {
        const kfac::EigenState& state = *item.state;
        int sweeps = 0;
        while (sweeps < args.sweeps && state.rotated[sweeps] != 0) {
            ++sweeps;
        }

        const bool converged = state.route == kfac::route_kept || sweeps < args.sweeps;
        *item.status = kfac::eigen_is_finite(state) && converged ? 0 : 1;
        if (item.outcome != nullptr) {
            item.outcome[0] = state.route;
            item.outcome[1] = state.route == kfac::route_refined ? sweeps : 0;
        }
    }

    if (static_cast<int>(blockIdx.x) * kfac::eigen_threads >= item.size) {
        return;
    }

    const auto value = [&](int i) { return item.a[static_cast<long long>(i) * padded + i]; };
    const float own = column < item.size ? value(column) : 0.0f;
    int rank = 0;
    for (int first = 0; first < item.size; first += kfac::eigen_threads) {
        __syncthreads();
        if (first + thread < item.size) {
            others[thread] = value(first + thread);
        }

        __syncthreads();
        for (int i = 0; i < ::min(kfac::eigen_threads, item.size - first); ++i) {
            rank += others[i] < own || (others[i] == own && first + i < column) ? 1 : 0;
        }
    }

    if (column < item.size) {
        item.order[rank] = column;
        item.values[rank] = kfac::EigenScale(*item.state, true)(own);
    }
}

// gram <- I/2, from which VᵀV/2 is taken then.
KFAC_KERNEL(symmetric_eigen_unit, SymmetricEigenArguments, kfac::eigen_threads) {
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int padded = kfac::eigen_padded(args, item), first = static_cast<int>(blockIdx.x) * kfac::eigen_strip;
    for (int i = first; i < ::min(first + kfac::eigen_strip, item.size); ++i) {
        for (int j = static_cast<int>(threadIdx.x); j < item.size; j += kfac::eigen_threads) {
            item.gram[static_cast<long long>(i) * padded + j] = i == j ? 0.5f : 0.0f;
        }
    }
}

// Vectors <- columns of V in order, each with the sign that makes its first largest element positive; 32 columns a block.
KFAC_KERNEL(symmetric_eigen_store, SymmetricEigenArguments, kfac::eigen_threads) {
    constexpr int groups = kfac::eigen_threads / kfac::eigen_strip;
    __shared__ float best[groups][kfac::eigen_strip];
    __shared__ int best_row[groups][kfac::eigen_strip];
    const SymmetricEigenItem& item = args.items[blockIdx.y];
    const int lane = static_cast<int>(threadIdx.x) % kfac::eigen_strip, group = static_cast<int>(threadIdx.x) / kfac::eigen_strip;
    const int first = static_cast<int>(blockIdx.x) * kfac::eigen_strip, column = first + lane;
    if (first >= item.size) {
        return;
    }

    const int padded = kfac::eigen_padded(args, item);
    const int from = column < item.size ? item.order[column] : 0;
    const bool polish = args.polish != 0 && item.state->route != kfac::route_kept;
    const auto vector = [&](int i) {
        const long long at = static_cast<long long>(i) * padded + from;
        return polish ? item.v[at] + item.trial[at] : item.v[at];
    };
    float largest = 0.0f;
    int row = 0;
    for (int i = group; i < item.size; i += groups) {
        const float x = vector(i);
        if (kfac::abs(x) > kfac::abs(largest)) {
            largest = x;
            row = i;
        }
    }

    best[group][lane] = largest;
    best_row[group][lane] = row;
    __syncthreads();
    for (int g = 0; g < groups; ++g) {
        const float x = best[g][lane];
        if (kfac::abs(x) > kfac::abs(largest) || (kfac::abs(x) == kfac::abs(largest) && best_row[g][lane] < row)) {
            largest = x;
            row = best_row[g][lane];
        }
    }

    for (int i = group; i < item.size && column < item.size; i += groups) {
        const float x = vector(i);
        item.vectors[i * item.vectors_stride + column] = largest < 0.0f ? -x : x;
    }
}
