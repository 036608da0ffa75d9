// Kernels with one mistake each, and what the harness must say of it: PlantedErrorTests.cs. x has n elements.
#include "async_copy.cuh"
#include "platform.cuh"

struct PlantedArguments {
    float* x;
    int n;
};

static __device__ int me() { return static_cast<int>(threadIdx.x); }

KFAC_KERNEL(nothing_wrong, PlantedArguments, 64) {
    __shared__ float shared[64];
    shared[me()] = static_cast<float>(me());
    __syncthreads();
    if (me() < args.n) {
        args.x[me()] = shared[63 - me()];
    }
}

KFAC_KERNEL(writes_beyond_global, PlantedArguments, 64) { args.x[args.n] = 1.0f; }

KFAC_KERNEL(reads_before_global, PlantedArguments, 64) { args.x[0] = args.x[-1]; }

KFAC_KERNEL(reads_beyond_static_shared, PlantedArguments, 64) {
    __shared__ float shared[2][64];
    shared[0][me()] = shared[1][me()] = 1.0f;
    __syncthreads();
    const float* volatile flat = shared[0];  // lest the compiler see the array's size
    args.x[me()] = flat[65 + me()];
}

KFAC_KERNEL(writes_beyond_dynamic_shared, PlantedArguments, 64) {
    KFAC_DYNAMIC_SHARED(float, shared);
    shared[me() + 1] = 1.0f;
}

KFAC_KERNEL(reads_shared_unwritten, PlantedArguments, 64) {
    __shared__ float shared[64];
    KFAC_DYNAMIC_SHARED(float, dynamic);
    if (me() % 2 == 0) {
        shared[me()] = dynamic[me()] = 1.0f;
    }

    __syncthreads();
    args.x[me()] = shared[me()] + dynamic[me()];
}

KFAC_KERNEL(lacks_a_barrier, PlantedArguments, 64) {
    __shared__ float shared[64];
    shared[me()] = static_cast<float>(me());
    args.x[me()] = shared[63 - me()];
}

KFAC_KERNEL(lacks_a_barrier_between_uses, PlantedArguments, 64) {
    __shared__ float shared[64];
    float sum = 0.0f;
    for (int round = 0; round < 2; round++) {
        shared[me()] = static_cast<float>(me() + round);
        __syncthreads();
        sum += shared[63 - me()];
    }

    args.x[me()] = sum;
}

KFAC_KERNEL(blocks_write_one_place, PlantedArguments, 64) { args.x[0] = static_cast<float>(blockIdx.x); }

KFAC_KERNEL(half_reach_a_barrier, PlantedArguments, 64) {
    if (me() < 16) {
        __syncthreads();
    }

    args.x[me()] = 1.0f;
}

KFAC_KERNEL(halves_at_two_barriers, PlantedArguments, 64) {
    if (me() < 16) {
        __syncthreads();
    } else {
        __syncthreads();
    }

    args.x[me()] = 1.0f;
}

KFAC_KERNEL(shuffles_outside_its_mask, PlantedArguments, 64) {
    args.x[me()] = __shfl_xor_sync(0x0000ffffu, static_cast<float>(me()), 1);
}

KFAC_KERNEL(shuffles_without_a_lane, PlantedArguments, 64) {
    if (me() != 5) {
        args.x[me()] = __shfl_xor_sync(0xffffffffu, static_cast<float>(me()), 1);
    }
}

KFAC_KERNEL(reads_a_lane_outside_its_mask, PlantedArguments, 64) {
    if (me() % 32 < 16) {
        args.x[me()] = __shfl_sync(0x0000ffffu, static_cast<float>(me()), 20);
    }
}

KFAC_KERNEL(lacks_a_wait, PlantedArguments, 64) {
    __shared__ __align__(16) float shared[64];
    if (me() < 16) {
        kfac::copy_async16(shared + 4 * me(), args.x + 4 * me(), true);
    }

    kfac::commit_copies();
    __syncthreads();
    args.x[me()] = 2.0f * shared[me()];
}

KFAC_KERNEL(copies_over_what_is_read, PlantedArguments, 64) {
    __shared__ __align__(16) float shared[64];
    shared[me()] = 1.0f;
    __syncthreads();
    const float value = shared[63 - me()];
    if (me() < 16) {
        kfac::copy_async16(shared + 4 * me(), args.x + 4 * me(), true);
    }

    kfac::commit_copies();
    kfac::wait_copies<0>();
    __syncthreads();
    args.x[me()] = value + shared[me()];
}

KFAC_KERNEL(reads_a_misaligned_vector, PlantedArguments, 64) {
    args.x[0] = reinterpret_cast<const float4*>(args.x + 1)->x;
}

KFAC_KERNEL(overflows_an_index, PlantedArguments, 64) {
    int index = args.n;
    for (int i = 0; i < 5; i++) {
        index *= 65536;
    }

    args.x[0] = static_cast<float>(index);
}

KFAC_KERNEL(never_returns, PlantedArguments, 64) {
    volatile float* x = args.x;
    while (x[0] == x[0] || x[0] != x[0]) {
    }
}
