// What a round's rotations do to the rest of A and to V: symmetric_eigen.cuh. Products of W×W tiles on tensor cores.
#include "symmetric_eigen_round.cuh"

#include "tensorcore.cuh"

namespace kfac {

// The sums of a lane of a W×W product: 4 warps with a quarter each, of tiles of 16×8.
template <int W>
struct EigenSums {
    static constexpr int Down = W / 32, Along = W / 16;
    float at[Down][Along][4] = {};

    // body(row, an even column, its sum, the next column's)
    template <typename Body>
    __device__ __forceinline__ void visit(Body body) const {
        const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
#pragma unroll
        for (int i = 0; i < Down; ++i) {
#pragma unroll
            for (int j = 0; j < Along; ++j) {
#pragma unroll
                for (int k = 0; k < 2; ++k) {
                    body(warp / 2 * (W / 2) + i * 16 + lane / 4 + k * 8, warp % 2 * (W / 2) + j * 8 + lane % 4 * 2, at[i][j][2 * k], at[i][j][2 * k + 1]);
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
    __align__(16) float tile[W * Wide];
    __align__(16) float rotation[W * Wide];

    template <typename Row>
    __device__ __forceinline__ static void load(float* to, int stride, Row row) {
        for (int e = static_cast<int>(threadIdx.x); e < W * W / 4; e += 128) {
            const int i = e / (W / 4), j = e % (W / 4) * 4;
            const float4 v = *reinterpret_cast<const float4*>(row(i, j));
            *reinterpret_cast<float4*>(to + i * stride + j) = make_float4(v.x, v.y, v.z, v.w);  // as one, two loads of 8 bytes are made of it
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
    sums.visit([&](int i, int j, float sum, float next) {
        *reinterpret_cast<float2*>(v + i * place.stride + place.row(pair, j)) = make_float2(sum, next);
    });
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
            sums.visit([&](int i, int j, float sum, float next) { *reinterpret_cast<float2*>(shared.tile + i * Narrow + j) = make_float2(sum, next); });
            sums = {};
        }

        __syncthreads();
        multiply_square<W>(
            sums, [&](int i, int k) { return shared.tile[i * Narrow + k]; }, [&](int k, int j) { return shared.rotation[k * Wide + j]; });
    }

    sums.visit([&](int i, int j, float sum, float next) {
        const int row = place.row(p, i), column = place.row(r, j);
        *reinterpret_cast<float2*>(item.a + row * place.stride + column) = make_float2(sum, next);
        item.a[column * place.stride + row] = sum;
        item.a[(column + 1) * place.stride + row] = next;
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

#define KFAC_SYMMETRIC_EIGEN_TURN(W)                                      \
    KFAC_KERNEL(symmetric_eigen_turn_##W, SymmetricEigenArguments, 128) { \
        __shared__ kfac::EigenTile<W> shared;                             \
        kfac::turn<W>(args, shared);                                      \
    }

KFAC_SYMMETRIC_EIGEN_TURN(32)
KFAC_SYMMETRIC_EIGEN_TURN(64)
