// Kernels with one mistake each in how they use bulk copies, barriers in shared memory and warpgroup products: BulkCopyTests.cs.
// x is a matrix of 32 rows by 32, of which the map copies 8 rows at a time; 128 threads.
#include "warpgroup.cuh"

struct PlantedBulkArguments {
    TensorMap map;
    float* x;
};

namespace {

constexpr unsigned box_bytes = 8 * 128;

int me() { return static_cast<int>(threadIdx.x); }

struct Stage {
    alignas(1024) float box[256];
    kfac::Barrier full, empty;
};

void init(Stage& stage) {
    if (me() == 0) {
        kfac::init_barrier(&stage.full, 1);
        kfac::init_barrier(&stage.empty, 128);
        kfac::publish_shared();
    }

    __syncthreads();
}

void copy(const PlantedBulkArguments& args, Stage& stage, int row, unsigned bytes) {
    if (me() == 0) {
        kfac::arrive_expecting(&stage.full, bytes);
        kfac::copy_box(stage.box, &args.map, 0, row, 0, &stage.full);
    }
}

}  // namespace

#define KFAC_PLANTED(name) KFAC_KERNEL(name, PlantedBulkArguments, 128)

// Two boxes one after another through one stage, and what is left of them when every element is doubled.
KFAC_PLANTED(copies_two_boxes) {
    __shared__ Stage stage;
    init(stage);
    copy(args, stage, 8, box_bytes);
    for (int i = 0; i < 2; i++) {
        kfac::wait_barrier(&stage.full, i);
        const float value = 2.0f * stage.box[me()];
        kfac::arrive(&stage.empty);
        if (me() == 0 && i == 0) {
            kfac::wait_barrier(&stage.empty, 0);
        }

        if (i == 0) {
            copy(args, stage, 28, box_bytes);
        }

        args.x[128 * i + me()] = value;
    }
}

KFAC_PLANTED(lacks_the_wait_for_a_box) {
    __shared__ Stage stage;
    init(stage);
    copy(args, stage, 8, box_bytes);
    const float value = stage.box[me()];
    kfac::wait_barrier(&stage.full, 0);
    args.x[me()] = value;
}

KFAC_PLANTED(announces_too_many_bytes) {
    __shared__ Stage stage;
    init(stage);
    copy(args, stage, 8, box_bytes + 128);
    kfac::wait_barrier(&stage.full, 0);
}

KFAC_PLANTED(announces_too_few_bytes) {
    __shared__ Stage stage;
    init(stage);
    copy(args, stage, 8, box_bytes - 128);
    kfac::wait_barrier(&stage.full, 0);
}

KFAC_PLANTED(lacks_an_arrival) {
    __shared__ Stage stage;
    init(stage);
    if (me() != 77) {
        kfac::arrive(&stage.empty);
    }

    kfac::wait_barrier(&stage.empty, 0);
}

KFAC_PLANTED(copies_over_a_box_that_is_read) {
    __shared__ Stage stage;
    init(stage);
    copy(args, stage, 8, box_bytes);
    kfac::wait_barrier(&stage.full, 0);
    copy(args, stage, 16, box_bytes);
    const float value = stage.box[me()];
    kfac::wait_barrier(&stage.full, 1);
    args.x[me()] = value;
}

KFAC_PLANTED(uses_a_barrier_before_it_is_made) {
    __shared__ Stage stage;
    kfac::arrive(&stage.empty);
}

KFAC_PLANTED(ends_while_a_copy_is_under_way) {
    __shared__ Stage stage;
    init(stage);
    copy(args, stage, 8, box_bytes);
}

KFAC_PLANTED(copies_to_an_odd_place) {
    __shared__ Stage stage;
    init(stage);
    if (me() == 0) {
        kfac::copy_box(stage.box + 32, &args.map, 0, 0, 0, &stage.full);
    }
}

KFAC_PLANTED(copies_by_no_map) {
    __shared__ Stage stage;
    init(stage);
    if (me() == 0) {
        kfac::copy_box(stage.box, reinterpret_cast<const TensorMap*>(args.x), 0, 0, 0, &stage.full);
    }
}

namespace {

// One product of ones: each sum becomes 8.
template <class Before, class After>
void multiply(const PlantedBulkArguments& args, float* right, Before before, After after) {
    for (int i = me(); i < 128 * 32; i += 128) {
        right[i] = 1.0f;
    }

    kfac::publish_shared();
    __syncthreads();
    float sums[64];
    const unsigned one = kfac::bits(1.0f);
    const unsigned left[4] = {one, one, one, one};
    kfac::start_products();
    kfac::multiply_async(sums, left, kfac::describe(right), false);
    kfac::commit_products();
    before(sums);
    kfac::finish_products();
    after(sums);
    for (int i = 0; i < 8; i++) {
        args.x[me() + 128 * i] = sums[8 * i];
    }
}

}  // namespace

KFAC_PLANTED(waits_for_its_products) {
    __shared__ __align__(1024) float right[128 * 32];
    multiply(args, right, [](float*) {}, [](float*) {});
}

KFAC_PLANTED(reads_sums_too_early) {
    __shared__ __align__(1024) float right[128 * 32];
    float early = 0.0f;
    multiply(args, right, [&](float* sums) { early = sums[0]; }, [&](float* sums) { sums[0] = early; });
}

KFAC_PLANTED(changes_a_factor_too_early) {
    __shared__ __align__(1024) float right[128 * 32];
    multiply(args, right, [&](float*) { right[me() * 32] = __builtin_nanf(""); }, [](float*) {});
}
