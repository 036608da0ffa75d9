// Where each number of a list of indices occurs, so that what belongs to one index can be added in the order of the list without
// sorting it: occurrences.cu finds the first place and the number of places of each index, and the warp that has the first place
// walks over the rest.
#pragma once

#include "platform.cuh"

namespace kfac {

struct Occurrences {
    const int* indices;
    const int* first;   // by index; beyond the list's end where there is none
    const int* counts;  // by index
    int length;         // of the list
    int width;          // indices from 0 to before it count
};

// Which bit the lowest one is; the conversion of a power of two is exact.
static __device__ __forceinline__ int lowest_bit(unsigned mask) {
    return static_cast<int>(bits(static_cast<float>(mask & (0u - mask))) >> 23) - 127;
}

// All lanes of a warp call body(place) for each place of the index that stands at `place`, in order, if that is the first of them.
template <typename Body>
static __device__ __forceinline__ void for_each_occurrence(const Occurrences& all, int place, Body body) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int index = all.indices[place];
    if (index < 0 || index >= all.width || all.first[index] != place) {
        return;
    }

    int left = all.counts[index];
    for (int start = place / 32 * 32; left > 0; start += 32) {
        const int mine = start + lane < all.length ? all.indices[start + lane] : -1;
        for (unsigned mask = __ballot_sync(0xffffffffu, mine == index ? 1 : 0); mask != 0; mask &= mask - 1) {
            body(start + lowest_bit(mask));
            left--;
        }
    }
}

}  // namespace kfac
