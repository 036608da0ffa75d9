// Philox: a thread makes the four numbers of a block.
#include "philox.cuh"

struct PhiloxArguments {
    kfac::PhiloxKey key;
    unsigned long long offset;  // number of the sequence that y[0] is
    float* y;
    long long length;
};

// Calls body(index in y of the block's first number, which may lie before y, block).
template <typename Body>
static __device__ __forceinline__ void for_each_block(const PhiloxArguments& args, Body body) {
    const long long before = static_cast<long long>(args.offset % 4);
    const long long blocks = (args.length + before + 3) / 4;
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < blocks; i += step) {
        body(4 * i - before, kfac::philox(args.key, args.offset / 4 + static_cast<unsigned long long>(i)));
    }
}

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
    for_each_block(args, [&](long long first, const kfac::PhiloxBlock& block) {
        const float numbers[4] = {
            kfac::uniform(block.word[0]), kfac::uniform(block.word[1]), kfac::uniform(block.word[2]), kfac::uniform(block.word[3])};
        store_four(args, first, numbers);
    });
}

KFAC_KERNEL(normal, PhiloxArguments, 256) {
    for_each_block(args, [&](long long first, const kfac::PhiloxBlock& block) {
        const float2 low = kfac::box_muller(block.word[0], block.word[1]);
        const float2 high = kfac::box_muller(block.word[2], block.word[3]);
        const float numbers[4] = {low.x, low.y, high.x, high.y};
        store_four(args, first, numbers);
    });
}
