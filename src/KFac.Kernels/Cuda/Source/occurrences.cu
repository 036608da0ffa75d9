// The first place and the number of places of each index in a list: integer atomics, whose result does not depend on their order.
#include "platform.cuh"

struct OccurrenceArguments {
    const int* indices;
    int* first;   // filled with what is beyond any place
    int* counts;  // filled with zeros
    int length;
    int width;  // other indices are left out
};

KFAC_KERNEL(find_occurrences, OccurrenceArguments, 256) {
    const int step = static_cast<int>(gridDim.x * blockDim.x);
    for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < args.length; i += step) {
        const int index = args.indices[i];
        if (index >= 0 && index < args.width) {
            atomicMin(args.first + index, i);
            atomicAdd(args.counts + index, 1);
        }
    }
}
