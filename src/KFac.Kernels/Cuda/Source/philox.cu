// Philox: a thread makes the four numbers of a block.
#include "philox.cuh"

struct PhiloxArguments {
    kfac::PhiloxKeyArguments key;
    unsigned long long offset;  // number of the sequence that y[0] is
    float* y;
    long long length;
};

// Four numbers from `first` on, those that lie in y.
static __device__ __forceinline__ void store_four(const PhiloxArguments& args, long long first, const float (&numbers)[4]) {
    if (first >= 0 && first + 4 <= args.length && reinterpret_cast<unsigned long long>(args.y + first) % 16 == 0) {
        *reinterpret_cast<float4*>(args.y + first) = make_float4(numbers[0], numbers[1], numbers[2], numbers[3]);
        return;
    }

    for (int k = 0; k < 4; k++) {
        if (first + k >= 0 && first + k < args.length) {
            args.y[first + k] = numbers[k];
        }
    }
}

KFAC_KERNEL(uniform, PhiloxArguments, 256) {
    kfac::for_each_philox_block(args.key, args.offset, args.length, [&](long long first, const kfac::PhiloxBlock& block) {
        const float numbers[4] = {
            kfac::uniform(block.word[0]), kfac::uniform(block.word[1]), kfac::uniform(block.word[2]), kfac::uniform(block.word[3])};
        store_four(args, first, numbers);
    });
}

KFAC_KERNEL(normal, PhiloxArguments, 256) {
    kfac::for_each_philox_block(args.key, args.offset, args.length, [&](long long first, const kfac::PhiloxBlock& block) {
        const float2 low = kfac::box_muller(block.word[0], block.word[1]);
        const float2 high = kfac::box_muller(block.word[2], block.word[3]);
        const float numbers[4] = {low.x, low.y, high.x, high.y};
        store_four(args, first, numbers);
    });
}
