// The rotations of a round of block Jacobi: symmetric_eigen.cuh. A block of threads diagonalises a pair's matrix in shared memory.
#include "symmetric_eigen_round.cuh"

#include "block_reduce.cuh"

namespace kfac {

// One sweep of Jacobi over the W×W matrix `a`, `q` <- q J: rounds of W/2 disjoint rotations. Says whether this thread rotated.
template <int W, int Threads>
static __device__ __forceinline__ bool sweep_pair(float (*a)[W + 1], float (*q)[W + 1], int (*at)[W / 2], float (*by)[W / 2], float threshold) {
    constexpr int Half = W / 2;
    const int thread = static_cast<int>(threadIdx.x);
    bool rotated = false;
    for (int round = 0; round < W - 1; ++round) {
        if (thread < Half) {
            const int ahead = thread == 0 ? W - 1 : (round + thread) % (W - 1);
            const int behind = thread == 0 ? round : (round - thread + W - 1) % (W - 1);
            const int low = ::min(ahead, behind), high = ::max(ahead, behind);
            const float off = a[low][high];
            float sine = 0.0f, tau = 0.0f;
            if (abs(off) > threshold) {
                const float theta = (a[high][high] - a[low][low]) / (2.0f * off);
                const float tangent = (theta < 0.0f ? -1.0f : 1.0f) / (abs(theta) + sqrt(fma(theta, theta, 1.0f)));
                const float cosine = rsqrt(fma(tangent, tangent, 1.0f));
                sine = tangent * cosine;
                tau = sine / (1.0f + cosine);
                a[low][low] = fma(-tangent, off, a[low][low]);
                a[high][high] = fma(tangent, off, a[high][high]);
                a[low][high] = 0.0f;
                a[high][low] = 0.0f;
                rotated = true;
            }

            at[0][thread] = low;
            at[1][thread] = high;
            by[0][thread] = sine;
            by[1][thread] = tau;
        }

        __syncthreads();
        const auto turn = [](float sine, float tau, float& x, float& y) {
            const float old = x;
            x = fma(-sine, fma(tau, old, y), old);
            y = fma(sine, fma(-tau, y, old), y);
        };
        for (int e = thread; e < Half * Half; e += Threads) {
            const int k = e / Half, l = e % Half;
            const float row_sine = by[0][k], column_sine = by[0][l];
            if (l <= k || (row_sine == 0.0f && column_sine == 0.0f)) {
                continue;
            }

            const int i0 = at[0][k], i1 = at[1][k], j0 = at[0][l], j1 = at[1][l];
            float x00 = a[i0][j0], x01 = a[i0][j1], x10 = a[i1][j0], x11 = a[i1][j1];
            turn(row_sine, by[1][k], x00, x10);
            turn(row_sine, by[1][k], x01, x11);
            turn(column_sine, by[1][l], x00, x01);
            turn(column_sine, by[1][l], x10, x11);
            a[i0][j0] = a[j0][i0] = x00;
            a[i0][j1] = a[j1][i0] = x01;
            a[i1][j0] = a[j0][i1] = x10;
            a[i1][j1] = a[j1][i1] = x11;
        }

        for (int e = thread; e < W * Half; e += Threads) {
            const int row = e / Half, k = e % Half;
            if (by[0][k] != 0.0f) {
                turn(by[0][k], by[1][k], q[row][at[0][k]], q[row][at[1][k]]);
            }
        }

        __syncthreads();
    }

    return rotated;
}

// Whether it holds for any thread; a barrier, too.
static __device__ __forceinline__ bool any_thread(bool value) {
    return combine_block(value ? 1 : 0, 0, Maximum()) != 0;
}

// Diagonalises the W×W matrix of each pair as far as one sweep does; a pair that is all of its matrix, fully.
template <int W, int Threads>
static __device__ __forceinline__ void rotate_pair(
    const SymmetricEigenArguments& args, float (*a)[W + 1], float (*q)[W + 1], int (*at)[W / 2], float (*by)[W / 2]) {
    const int index = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
    const SymmetricEigenItem& item = args.items[find_eigen_item(args, index, [](const SymmetricEigenItem& i) { return i.first_pair; })];
    const int pair = index - item.first_pair;
    const EigenRound<W> place(args, item);
    if (!place.active(args, *item.state)) {
        return;
    }

    const float threshold = item.state->threshold;
    bool wanted = false;
    for (int e = thread; e < W * W; e += Threads) {
        const int i = e / W, j = e % W;
        const float value = item.a[place.row(pair, i) * place.stride + place.row(pair, j)];
        a[i][j] = value;
        q[i][j] = i == j ? 1.0f : 0.0f;
        wanted |= i != j && abs(value) > threshold;
    }

    if (!any_thread(wanted)) {
        if (thread == 0) {
            item.turned[pair] = 0;
        }

        return;
    }

    for (int left = item.pairs == 1 ? most_eigen_sweeps : 1; left > 0; --left) {
        if (!any_thread(sweep_pair<W, Threads>(a, q, at, by, threshold))) {
            break;
        }
    }

    float* const rotation = item.rotations + static_cast<long long>(pair) * W * W;
    for (int e = thread; e < W * W; e += Threads) {
        const int i = e / W, j = e % W;
        item.a[place.row(pair, i) * place.stride + place.row(pair, j)] = a[i][j];
        rotation[e] = q[i][j];
    }

    if (thread == 0) {
        item.turned[pair] = 1;
        atomicOr(&item.state->rotated[place.sweep], 1);
    }
}

}  // namespace kfac

#define KFAC_SYMMETRIC_EIGEN_PAIR(W)                                      \
    KFAC_KERNEL(symmetric_eigen_pair_##W, SymmetricEigenArguments, 256) { \
        __shared__ float a[W][W + 1];                                     \
        __shared__ float q[W][W + 1];                                     \
        __shared__ int at[2][W / 2];                                      \
        __shared__ float by[2][W / 2];                                    \
        kfac::rotate_pair<W, 256>(args, a, q, at, by);                    \
    }

KFAC_SYMMETRIC_EIGEN_PAIR(32)
KFAC_SYMMETRIC_EIGEN_PAIR(64)
