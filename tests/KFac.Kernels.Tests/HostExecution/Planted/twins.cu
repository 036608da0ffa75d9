// The host's twins of tensor cores, asynchronous copies and warp operations, as a warp uses them: TwinTests.cs.
#include "async_copy.cuh"
#include "platform.cuh"
#include "tensorcore.cuh"

struct TwinArguments {
    const float* a;  // 16 by K
    const float* b;  // K by 8
    float* d;        // 16 by 8
};

KFAC_KERNEL(multiply_tf32, TwinArguments, 32) {
    const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
    unsigned a[4], b[2];
    float d[4];
    for (int i = 0; i < 4; i++) {
        a[i] = kfac::to_tf32(args.a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
        d[i] = args.d[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    }

    for (int i = 0; i < 2; i++) {
        b[i] = kfac::to_tf32(args.b[(t + i * 4) * 8 + g]);
    }

    kfac::mma_m16n8k8_tf32(d, a, b);
    for (int i = 0; i < 4; i++) {
        args.d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
    }
}

KFAC_KERNEL(multiply_bf16, TwinArguments, 32) {
    const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
    unsigned a[4], b[2];
    float d[4];
    for (int i = 0; i < 4; i++) {
        const float* row = args.a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
        a[i] = kfac::to_bf16_pair(row[0], row[1]);
        d[i] = args.d[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
    }

    for (int i = 0; i < 2; i++) {
        const float* column = args.b + (2 * t + i * 8) * 8 + g;
        b[i] = kfac::to_bf16_pair(column[0], column[8]);
    }

    kfac::mma_m16n8k16_bf16(d, a, b);
    for (int i = 0; i < 4; i++) {
        args.d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
    }
}

// d[0..3] are a[0..3] in two groups of copies, of which only the first was waited for at first; d[4..7] zeros.
KFAC_KERNEL(copy_in_groups, TwinArguments, 32) {
    __shared__ __align__(16) float shared[12];
    if (threadIdx.x == 0) {
        kfac::copy_async16(shared, args.a, true);
        kfac::commit_copies();
        kfac::copy_async16(shared + 4, args.a + 4, false);
        kfac::copy_async16_first(shared + 8, args.a + 4, 12);
        kfac::commit_copies();
        kfac::wait_copies<1>();
        args.d[0] = shared[0];
        args.d[1] = shared[4];
        kfac::wait_copies<0>();
        args.d[2] = shared[4];
        args.d[3] = shared[10];
        args.d[4] = shared[11];
    }
}

// d[lane] from each kind of warp operation, by eight.
KFAC_KERNEL(warp_operations, TwinArguments, 32) {
    const int lane = static_cast<int>(threadIdx.x);
    const float x = args.a[lane];
    float sum = x;
    for (int step = 16; step > 0; step /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    }

    const double wide = __shfl_down_sync(0xffffffffu, static_cast<double>(x), 3);
    const float up = __shfl_up_sync(0xffffffffu, x, 2, 8);
    const unsigned odd = __ballot_sync(0xffffffffu, lane % 2);
    float half = -1.0f;
    if (lane < 16) {
        half = __shfl_sync(0x0000ffffu, x, 15);
    } else {
        half = __shfl_sync(0xffff0000u, x, 16);
    }

    args.d[lane] = sum;
    args.d[32 + lane] = static_cast<float>(wide);
    args.d[64 + lane] = up;
    args.d[96 + lane] = odd == 0xaaaaaaaau ? half : -2.0f;
}
