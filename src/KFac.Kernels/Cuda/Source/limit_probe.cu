// LimitProbe: work that reaches one limit of the device. A task is a block of 256 threads.
#include "platform.cuh"
#include "tensorcore.cuh"

struct ChainArguments {
    float* sums;
    int links;
};

struct StreamArguments {
    const float* x;
    float* y;
    long long length;
    long long part;  // elements of a task
};

static __device__ float sum_of_block(float value) {
    __shared__ float warps[8];
    for (int offset = 16; offset > 0; offset /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, offset);
    }

    if (threadIdx.x % 32 == 0) {
        warps[threadIdx.x / 32] = value;
    }

    __syncthreads();
    float sum = 0.0f;
    for (int warp = 0; warp < 8; warp++) {
        sum += warps[warp];
    }

    return sum;
}

// Eight chains a thread and eight blocks a multiprocessor: 16 warps a scheduler hide the latency several times over.
KFAC_KERNEL(multiply_add, ChainArguments, 256) {
    float c[8] = {};
    for (int link = 0; link < args.links; link++) {
#pragma unroll
        for (int chain = 0; chain < 8; chain++) {
            c[chain] = kfac::fma(c[chain], 0.5f, 1.0f);
        }
    }

    const float sum = sum_of_block(((c[0] + c[1]) + (c[2] + c[3])) + ((c[4] + c[5]) + (c[6] + c[7])));
    if (threadIdx.x == 0) {
        args.sums[blockIdx.x] = sum;
    }
}

// Eight accumulators of 16 x 8 a warp, each growing by the product of a constant 16 x 8 and 8 x 8: by 1 everywhere.
KFAC_KERNEL(tensor_multiply_add, ChainArguments, 256) {
    const unsigned half = kfac::to_tf32(0.5f);
    const unsigned quarter = kfac::to_tf32(0.25f);
    const unsigned a[4] = {half, half, half, half};
    const unsigned b[2] = {quarter, quarter};
    float d[8][4] = {};
    for (int link = 0; link < args.links; link++) {
#pragma unroll
        for (int chain = 0; chain < 8; chain++) {
            kfac::mma_m16n8k8_tf32(d[chain], a, b);
        }
    }

    float own = 0.0f;
#pragma unroll
    for (int chain = 0; chain < 8; chain++) {
        own += (d[chain][0] + d[chain][1]) + (d[chain][2] + d[chain][3]);
    }

    const float sum = sum_of_block(own);
    if (threadIdx.x == 0) {
        args.sums[blockIdx.x] = sum;
    }
}

// Floats before the first that starts 16 bytes.
static __device__ long long head_of(const float* x, long long length) {
    const long long head = (4 - static_cast<long long>(reinterpret_cast<unsigned long long>(x) / 4 % 4)) % 4;
    return head < length ? head : length;
}

KFAC_KERNEL(read, StreamArguments, 256) {
    const long long first = min(static_cast<long long>(blockIdx.x) * args.part, args.length);
    const float* x = args.x + first;
    const long long length = min(args.part, args.length - first);
    const long long head = head_of(x, length);
    const long long quads = (length - head) / 4;
    const float4* vectors = reinterpret_cast<const float4*>(x + head);
    float sum = 0.0f;
    long long i = threadIdx.x;
    for (; i + 7 * 256 < quads; i += 8 * 256) {
        float4 v[8];
#pragma unroll
        for (int k = 0; k < 8; k++) {
            v[k] = vectors[i + k * 256];
        }

#pragma unroll
        for (int k = 0; k < 8; k++) {
            sum += (v[k].x + v[k].y) + (v[k].z + v[k].w);
        }
    }

    for (; i < quads; i += 256) {
        const float4 v = vectors[i];
        sum += (v.x + v.y) + (v.z + v.w);
    }

    if (threadIdx.x < head) {
        sum += x[threadIdx.x];
    }

    const long long tail = head + 4 * quads + threadIdx.x;
    if (tail < length) {
        sum += x[tail];
    }

    sum = sum_of_block(sum);
    if (threadIdx.x == 0) {
        args.y[blockIdx.x] = sum;
    }
}

// Both vectors start 16 bytes.
KFAC_KERNEL(copy_vectors, StreamArguments, 256) {
    const long long first = blockIdx.x * args.part;
    const long long end = min(first + args.part, args.length) / 4;
    const float4* x = reinterpret_cast<const float4*>(args.x);
    float4* y = reinterpret_cast<float4*>(args.y);
    long long i = first / 4 + threadIdx.x;
    for (; i + 3 * 256 < end; i += 4 * 256) {
        float4 v[4];
#pragma unroll
        for (int k = 0; k < 4; k++) {
            v[k] = x[i + k * 256];
        }

#pragma unroll
        for (int k = 0; k < 4; k++) {
            y[i + k * 256] = make_float4(v[k].x, v[k].y, v[k].z, v[k].w);  // whole, the array stays in local memory
        }
    }

    for (; i < end; i += 256) {
        y[i] = x[i];
    }
}

KFAC_KERNEL(copy_elements, StreamArguments, 256) {
    const long long first = blockIdx.x * args.part;
    const long long end = min(first + args.part, args.length);
    for (long long i = first + threadIdx.x; i < end; i += 256) {
        args.y[i] = args.x[i];
    }
}
