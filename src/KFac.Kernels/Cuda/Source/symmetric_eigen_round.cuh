// Which blocks meet in a round of block Jacobi, and which matrix a block of threads works for: symmetric_eigen.cuh.
#pragma once

#include "symmetric_eigen.cuh"

namespace kfac {

// Where a pair of blocks stands in one round of its matrix.
template <int W>
struct EigenRound {
    static constexpr int Block = W / 2;
    int round, sweep, others;
    long long stride;

    __device__ __forceinline__ EigenRound(const SymmetricEigenArguments& args, const SymmetricEigenItem& item)
        : others(2 * item.pairs - 1), stride(static_cast<long long>(item.pairs) * W) {
        round = args.step % others;
        sweep = args.step / others;
    }

    // Whether a round is still wanted: there is one, and the sweep before this one rotated.
    __device__ __forceinline__ bool active(const SymmetricEigenArguments& args, const EigenState& state) const {
        return state.done == 0 && sweep < args.sweeps && (sweep == 0 || state.rotated[sweep - 1] != 0);
    }

    // The row at which block `half` of a pair starts: a tournament in which the last block stays.
    __device__ __forceinline__ int start(int pair, int half) const {
        const int ahead = pair == 0 ? others : (round + pair) % others;
        const int behind = pair == 0 ? round : (round - pair + others) % others;
        return (half == 0 ? ::min(ahead, behind) : ::max(ahead, behind)) * Block;
    }

    __device__ __forceinline__ int row(int pair, int i) const { return start(pair, i / Block) + i % Block; }
};

// The matrix whose range of `first` holds the index.
template <typename First>
static __device__ __forceinline__ int find_eigen_item(const SymmetricEigenArguments& args, int index, First first) {
    int item = args.count - 1;
    while (item > 0 && first(args.items[item]) > index) {
        --item;
    }

    return item;
}

}  // namespace kfac
