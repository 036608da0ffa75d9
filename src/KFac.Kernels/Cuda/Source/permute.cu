// Permute. Where y's last dimension is x's too, neighbouring threads copy neighbouring elements of both; else tiles of 32 by 32 of the two
// last dimensions are turned in shared memory, so that both sides are read and written along their rows.
#include "platform.cuh"

struct PermuteArguments {
    const float* x;
    float* y;
    int sizes[6];      // of y's dimensions
    int x_strides[6];  // between neighbours along them
    int y_strides[6];
    int rank;
    int elements;
    int inner;  // the dimension of y along which x is contiguous
};

// Where the element `index` lies in x and y, of a tensor without the two dimensions that are left out.
struct PermutedPlace {
    long long x, y;

    __device__ __forceinline__ PermutedPlace(const PermuteArguments& args, int index, int without, int also) : x(0), y(0) {
        for (int d = args.rank - 1; d >= 0; d--) {
            if (d != without && d != also) {
                const int at = index % args.sizes[d];
                index /= args.sizes[d];
                x += static_cast<long long>(at) * args.x_strides[d];
                y += static_cast<long long>(at) * args.y_strides[d];
            }
        }
    }
};

KFAC_KERNEL(permute_elements, PermuteArguments, 256) {
    const int step = static_cast<int>(gridDim.x * blockDim.x);
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < args.elements; i += step) {
        args.y[i] = args.x[PermutedPlace(args, static_cast<int>(i), -1, -1).x];
    }
}

KFAC_KERNEL(permute_tiles, PermuteArguments, 256) {
    __shared__ float tile[32][33];
    const int last = args.rank - 1, inner = args.inner;
    const int tiles_last = (args.sizes[last] + 31) / 32, tiles_inner = (args.sizes[inner] + 31) / 32;
    const int index = static_cast<int>(blockIdx.x), rest = index / tiles_last;
    const int first_last = index % tiles_last * 32, first_inner = rest % tiles_inner * 32;
    const PermutedPlace place(args, rest / tiles_inner, last, inner);
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    for (int i = warp; i < 32; i += 8) {
        if (first_last + i < args.sizes[last] && first_inner + lane < args.sizes[inner]) {
            tile[i][lane] = args.x[place.x + static_cast<long long>(first_last + i) * args.x_strides[last] + first_inner + lane];
        }
    }

    __syncthreads();
    for (int i = warp; i < 32; i += 8) {
        if (first_inner + i < args.sizes[inner] && first_last + lane < args.sizes[last]) {
            args.y[place.y + static_cast<long long>(first_inner + i) * args.y_strides[inner] + first_last + lane] = tile[lane][i];
        }
    }
}
