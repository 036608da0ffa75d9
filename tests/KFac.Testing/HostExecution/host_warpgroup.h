// warpgroup.cuh on the host. Products are performed when their threads wait for them, and the sums hold NaN until then: sums read
// too early, or a right factor overwritten before its products are done, show. Products are exact and added in float32, k ascending.
#pragma once

namespace kfac_host {

struct WarpgroupProduct {
    unsigned a[4];
    const char* b;
    bool accumulate;
};

// A thread's products that wait, by the sums `d` that they add to, which held `before`.
struct WarpgroupWork {
    static constexpr int most_products = 16, most_sums = 4;
    float* d[most_sums];
    float before[most_sums][64];
    WarpgroupProduct products[most_sums][most_products];
    int counts[most_sums];
    int used;
};

static WarpgroupWork warpgroup_work[8][128];

static inline WarpgroupWork& own_warpgroup_work() { return warpgroup_work[current->index.x / 128][current->index.x % 128]; }

static inline float tf32(unsigned word) {
    word &= 0xffffe000u;
    float value;
    __builtin_memcpy(&value, &word, 4);
    return value;
}

static inline float right_element(const char* b, unsigned column, unsigned k) {
    const unsigned long long place = reinterpret_cast<unsigned long long>(b) + column * 128 + k * 4;
    return tf32(*reinterpret_cast<const unsigned*>(place ^ (place >> 7 & 7) << 4));
}

// The sums of the thread that calls, for one array of them.
static inline void perform_products(const WarpgroupWork (&group)[128], unsigned member, int sums) {
    const WarpgroupWork& own = group[member];
    float d[64];
    __builtin_memcpy(d, own.before[sums], sizeof d);
    const unsigned lane = member % 32;
    for (int product = 0; product < own.counts[sums]; product++) {
        const WarpgroupProduct& mine = own.products[sums][product];
        for (unsigned i = 0; i < 64; i++) {
            const unsigned column = i / 4 * 8 + lane % 4 * 2 + i % 2;
            float sum = mine.accumulate ? d[i] : 0.0f;
            for (unsigned k = 0; k < 8; k++) {
                const WarpgroupProduct& theirs = group[member - lane % 4 + k % 4].products[sums][product];
                sum += tf32(theirs.a[i / 2 % 2 + k / 4 * 2]) * right_element(mine.b, column, k);
            }

            d[i] = sum;
        }
    }

    __builtin_memcpy(own.d[sums], d, sizeof d);
}

}  // namespace kfac_host

namespace kfac {

using MatrixDescriptor = const char*;

static inline MatrixDescriptor describe(const float* shared) { return reinterpret_cast<const char*>(shared); }
static inline MatrixDescriptor step_depth(MatrixDescriptor matrix, int step) { return matrix + 32 * step; }
static inline void start_products() {}
static inline void commit_products() {}
static inline void hold(float (&)[64]) {}

static inline void multiply_async(float (&d)[64], const unsigned (&a)[4], MatrixDescriptor b, bool accumulate) {
    kfac_host::WarpgroupWork& work = kfac_host::own_warpgroup_work();
    int sums = 0;
    while (sums < work.used && work.d[sums] != d) {
        sums++;
    }

    if (sums == work.used) {
        work.used++;
        work.d[sums] = d;
        work.counts[sums] = 0;
        __builtin_memcpy(work.before[sums], d, sizeof d);
        __builtin_memset(d, 0xff, sizeof d);
    }

    kfac_host::WarpgroupProduct& product = work.products[sums][work.counts[sums]++];
    __builtin_memcpy(product.a, a, sizeof a);
    product.b = b;
    product.accumulate = accumulate;
}

static inline void finish_products(KFAC_HERE) {
    const unsigned group = threadIdx.x / 128, member = threadIdx.x % 128;
    kfac_host::named_barrier(static_cast<int>(15 - group), 128, file, line);
    kfac_host::WarpgroupWork& work = kfac_host::own_warpgroup_work();
    for (int sums = 0; sums < work.used; sums++) {
        kfac_host::perform_products(kfac_host::warpgroup_work[group], member, sums);
    }

    kfac_host::named_barrier(static_cast<int>(15 - group), 128, file, line);
    work.used = 0;
}

}  // namespace kfac
