// Eigendecompositions of many symmetric matrices at once by block Jacobi (Golub & Van Loan, 8.5.6), all of them in the same launches.
//
// A matrix is padded to `pairs` pairs of blocks, W = 32 or 64 rows a pair. A round pairs every block with another one, a sweep is
// the rounds in which all have met. In a round each pair's W×W matrix has one sweep of plain Jacobi in shared memory, whose
// rotations make up Q (symmetric_eigen_pair.cu), and then tiles of all of A and V are multiplied by their Qs on tensor cores
// (symmetric_eigen_turn.cu): A[p][r] <- Q_pᵀ A[p][r] Q_r for one triangle of pairs, written twice, and V[:][r] <- V[:][r] Q_r.
//
// Each matrix counts its own rounds, so small ones need not wait for large ones, and each is done after a sweep in which no element
// off the diagonal was above the threshold; what is launched for it after that returns at once. So nothing is decided on the host.
//
// Work: 8n³ operations a sweep, 8 to 10 sweeps from scratch (up to 15 with many equal eigenvalues), 2 to 4 from the basis of a
// matrix nearby; 14n² bytes of memory a round, n/32 rounds a sweep for W = 64. Rotations are applied as x - s (y + τx)
// (Rutishauser): their rounding errors are then in proportion to their angles, which made the vectors ten times as orthogonal.
// What tensor cores truncate shortens V a little in each round; larger matrices therefore end with one step of Newton and Schulz,
// V <- V + V (I - VᵀV)/2, 3n³ operations.
#pragma once

#include "platform.cuh"

namespace kfac {

constexpr int most_eigen_items = 24;
constexpr int most_eigen_sweeps = 20;
constexpr int eigen_threads = 256;
constexpr int eigen_strip = 32;  // rows that a block of the passes over whole matrices takes

// As EigenRoute.
enum EigenRoute { route_decomposed, route_kept, route_refined, route_fell_back };

// What is known about a matrix; zero at first.
struct EigenState {
    int largest;  // bits of the largest |element|
    int route;
    int done;
    float threshold;  // elements up to this count as zero
    float norm;       // at most ‖A‖ as a 2-norm
    int rotated[most_eigen_sweeps];  // whether a sweep rotated
};

}  // namespace kfac

struct SymmetricEigenItem {
    const float* matrix;
    const float* previous;  // null without
    float* values;
    float* vectors;
    int* status;
    int* outcome;      // route and steps, or null
    float* a;          // padded·padded, the matrix scaled to a largest element between 1 and 2
    float* v;          // padded·padded
    float* rotations;  // pairs·W·W
    float* trial;      // padded·padded, where there is a previous basis: A in that basis; at the end what makes V orthogonal, or null
    float* gram;       // padded·padded, likewise: the basis' inner products; at the end (I - VᵀV)/2
    double* sums;      // 4·strips: squares of A off and on its diagonal, of the trial and of the gram matrix less I off their diagonals
    int* order;        // size: columns of V by ascending value
    int* turned;       // pairs: whether a pair's Q is not I
    kfac::EigenState* state;
    long long matrix_stride, previous_stride, vectors_stride;
    int size;
    int pairs;
    int first_pair;  // of this matrix among the pairs of all
    int first_tile;  // likewise among the tiles of A and V
};

struct SymmetricEigenArguments {
    SymmetricEigenItem items[kfac::most_eigen_items];
    int count;
    int width;  // W
    int step;   // rounds since the start
    int sweeps;  // at most
    int tiles;   // of all matrices
    int polish;  // whether trial holds V (I - VᵀV)/2 at the end
    double tolerance;
    double keep_below;
};

namespace kfac {

static __device__ __forceinline__ int eigen_padded(const SymmetricEigenArguments& args, const SymmetricEigenItem& item) {
    return item.pairs * args.width;
}

// The powers of two, in two factors, that bring the largest element between 1 and 2, or back.
struct EigenScale {
    float first, second;

    __device__ __forceinline__ EigenScale(const EigenState& state, bool back) {
        int word = state.largest;
        int exponent = (word >> 23) - 127;
        if (exponent == -127) {
            word = static_cast<int>(bits(from_bits(static_cast<unsigned>(word)) * 16777216.0f));
            exponent = word == 0 ? 0 : (word >> 23) - 127 - 24;
        }

        const int power = back ? exponent : -exponent;
        first = power_of_two(power / 2);
        second = power_of_two(power - power / 2);
    }

    __device__ __forceinline__ float operator()(float x) const { return x * first * second; }
};

static __device__ __forceinline__ bool eigen_is_finite(const EigenState& state) { return state.largest < 0x7f800000; }

}  // namespace kfac
