// The rounds of block Jacobi: symmetric_eigen.cuh.
#include "symmetric_eigen.cuh"

#include "block_reduce.cuh"
#include "tensorcore.cuh"

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

// The sums of a lane of a W×W product: 4 warps with a quarter each, of tiles of 16×8.
template <int W>
struct EigenSums {
    static constexpr int Down = W / 32, Along = W / 16;
    float at[Down][Along][4] = {};

    // body(row, column, sum)
    template <typename Body>
    __device__ __forceinline__ void visit(Body body) const {
        const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
        for (int i = 0; i < Down; ++i) {
#pragma unroll
            for (int j = 0; j < Along; ++j) {
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    body(warp / 2 * (W / 2) + i * 16 + lane / 4 + k / 2 * 8, warp % 2 * (W / 2) + j * 8 + lane % 4 * 2 + k % 2, at[i][j][k]);
                }
            }
        }
    }
};

static __device__ __forceinline__ void split(float x, unsigned& big, unsigned& small) {
    big = to_tf32(x);
    small = bits(x - from_bits(big));
}

// sums += left·right; left(row, k) and right(k, column) read shared memory. Three TF32 products a term, 8 depths at a time in an
// accumulator of their own: product_multiplier.cuh says why.
template <int W, typename Left, typename Right>
static __device__ __forceinline__ void multiply_square(EigenSums<W>& sums, Left left, Right right) {
    constexpr int Down = EigenSums<W>::Down, Along = EigenSums<W>::Along;
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int row = warp / 2 * (W / 2) + lane / 4, column = warp % 2 * (W / 2) + lane / 4;
#pragma unroll 2
    for (int depth = 0; depth < W; depth += 8) {
        const int k = depth + lane % 4;
        unsigned a_big[Down][4], a_small[Down][4], b_big[Along][2], b_small[Along][2];
#pragma unroll
        for (int i = 0; i < Down; ++i) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                split(left(row + i * 16 + e % 2 * 8, k + e / 2 * 4), a_big[i][e], a_small[i][e]);
            }
        }

#pragma unroll
        for (int j = 0; j < Along; ++j) {
#pragma unroll
            for (int e = 0; e < 2; ++e) {
                split(right(k + e * 4, column + j * 8), b_big[j][e], b_small[j][e]);
            }
        }

#pragma unroll
        for (int i = 0; i < Down; ++i) {
#pragma unroll
            for (int j = 0; j < Along; ++j) {
                float part[4] = {};
                mma_m16n8k8_tf32(part, a_small[i], b_big[j]);
                mma_m16n8k8_tf32(part, a_big[i], b_small[j]);
                mma_m16n8k8_tf32(part, a_big[i], b_big[j]);
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    sums.at[i][j][e] += part[e];
                }
            }
        }
    }
}

// Shared memory of a turn: rows of 8 words more than W for what is read along depths first, of 4 for what is read across them, so
// that the lanes of a warp read different banks.
template <int W>
struct EigenTile {
    static constexpr int Wide = W + 8, Narrow = W + 4;
    float tile[W * Wide];
    float rotation[W * Wide];

    template <typename Row>
    __device__ __forceinline__ static void load(float* to, int stride, Row row) {
        for (int e = static_cast<int>(threadIdx.x); e < W * W / 4; e += 128) {
            const int i = e / (W / 4), j = e % (W / 4) * 4;
            *reinterpret_cast<float4*>(to + i * stride + j) = *reinterpret_cast<const float4*>(row(i, j));
        }
    }
};

// V[strip][pair] <- V[strip][pair] Q.
template <int W>
static __device__ __forceinline__ void turn_vectors(
    const SymmetricEigenItem& item, const EigenRound<W>& place, int strip, int pair, EigenTile<W>& shared) {
    if (item.turned[pair] == 0) {
        return;
    }

    float* const v = item.v + strip * W * place.stride;
    const float* const rotation = item.rotations + static_cast<long long>(pair) * W * W;
    constexpr int Narrow = EigenTile<W>::Narrow, Wide = EigenTile<W>::Wide;
    EigenTile<W>::load(shared.tile, Narrow, [&](int i, int j) { return v + i * place.stride + place.row(pair, j); });
    EigenTile<W>::load(shared.rotation, Wide, [&](int i, int j) { return rotation + i * W + j; });
    __syncthreads();
    EigenSums<W> sums;
    multiply_square<W>(
        sums, [&](int i, int k) { return shared.tile[i * Narrow + k]; }, [&](int k, int j) { return shared.rotation[k * Wide + j]; });
    sums.visit([&](int i, int j, float sum) { v[i * place.stride + place.row(pair, j)] = sum; });
}

// A[p][r] <- Q_pᵀ A[p][r] Q_r and its transpose.
template <int W>
static __device__ __forceinline__ void turn_matrix(
    const SymmetricEigenItem& item, const EigenRound<W>& place, int p, int r, EigenTile<W>& shared) {
    const bool left = item.turned[p] != 0, right = item.turned[r] != 0;
    if (!left && !right) {
        return;
    }

    constexpr int Narrow = EigenTile<W>::Narrow, Wide = EigenTile<W>::Wide;
    const auto load_rotation = [&](int pair) {
        const float* const rotation = item.rotations + static_cast<long long>(pair) * W * W;
        EigenTile<W>::load(shared.rotation, Wide, [&](int i, int j) { return rotation + i * W + j; });
    };
    EigenTile<W>::load(shared.tile, left ? Wide : Narrow, [&](int i, int j) { return item.a + place.row(p, i) * place.stride + place.row(r, j); });
    EigenSums<W> sums;
    if (left) {
        load_rotation(p);
        __syncthreads();
        multiply_square<W>(
            sums, [&](int i, int k) { return shared.rotation[k * Wide + i]; }, [&](int k, int j) { return shared.tile[k * Wide + j]; });
        __syncthreads();
    }

    if (right) {
        load_rotation(r);
        if (left) {
            sums.visit([&](int i, int j, float sum) { shared.tile[i * Narrow + j] = sum; });
            sums = {};
        }

        __syncthreads();
        multiply_square<W>(
            sums, [&](int i, int k) { return shared.tile[i * Narrow + k]; }, [&](int k, int j) { return shared.rotation[k * Wide + j]; });
    }

    sums.visit([&](int i, int j, float sum) {
        const int row = place.row(p, i), column = place.row(r, j);
        item.a[row * place.stride + column] = sum;
        item.a[column * place.stride + row] = sum;
    });
}

// Tiles of a matrix: pairs·pairs of V, then the lower triangle of pairs of A without its diagonal.
template <int W>
static __device__ __forceinline__ void turn_tile(const SymmetricEigenArguments& args, int index, EigenTile<W>& shared) {
    const SymmetricEigenItem& item = args.items[find_eigen_item(args, index, [](const SymmetricEigenItem& i) { return i.first_tile; })];
    const EigenRound<W> place(args, item);
    if (!place.active(args, *item.state)) {
        return;
    }

    const int tile = index - item.first_tile, squares = item.pairs * item.pairs;
    if (tile < squares) {
        turn_vectors<W>(item, place, tile / item.pairs, tile % item.pairs, shared);
        return;
    }

    // Row p of the triangle has p tiles; rows p and pairs - p together have as many as there are pairs.
    int p = (tile - squares) / item.pairs + 1, r = (tile - squares) % item.pairs;
    if (r >= p) {
        r -= p;
        p = item.pairs - p;
    }

    turn_matrix<W>(item, place, p, r, shared);
}

// All tiles of all matrices: few enough blocks that those of matrices that are done cost little.
template <int W>
static __device__ __forceinline__ void turn(const SymmetricEigenArguments& args, EigenTile<W>& shared) {
    for (int index = static_cast<int>(blockIdx.x); index < args.tiles; index += static_cast<int>(gridDim.x)) {
        turn_tile<W>(args, index, shared);
        __syncthreads();
    }
}

}  // namespace kfac

#define KFAC_SYMMETRIC_EIGEN(W)                                                         \
    KFAC_KERNEL(symmetric_eigen_pair_##W, SymmetricEigenArguments, 256) {               \
        __shared__ float a[W][W + 1];                                                   \
        __shared__ float q[W][W + 1];                                                   \
        __shared__ int at[2][W / 2];                                                    \
        __shared__ float by[2][W / 2];                                                  \
        kfac::rotate_pair<W, 256>(args, a, q, at, by);                                  \
    }                                                                                   \
    KFAC_KERNEL(symmetric_eigen_turn_##W, SymmetricEigenArguments, 128) {               \
        __shared__ kfac::EigenTile<W> shared;                                           \
        kfac::turn<W>(args, shared);                                                    \
    }

KFAC_SYMMETRIC_EIGEN(32)
KFAC_SYMMETRIC_EIGEN(64)
