// Clipping: factors that shrink a step, made by one thread in the order of the CPU's additions.
#include "element_grid.cuh"

struct ClippingArguments {
    float* factor;
    const double* products;
    const double* learning_rate;
    float* y;
    long long y_stride;
    double bound;
    kfac::ElementRange range;
    int count;  // of products
};

// factor <- min(1, sqrt(bound / (learning rate^2 sum of products)))
KFAC_KERNEL(by_divergence, ClippingArguments, 1) {
    double sum = 0.0;
    for (int i = 0; i < args.count; i++) {
        sum += args.products[i];
    }

    const double divergence = *args.learning_rate * *args.learning_rate * sum;
    *args.factor = divergence > args.bound ? static_cast<float>(kfac::sqrt(args.bound / divergence)) : 1.0f;
}

// y <- factor y
KFAC_KERNEL(apply, ClippingArguments, 256) {
    const float factor = *args.factor;
    if (factor == 1.0f) {
        return;
    }

    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        float* y = args.y + i * args.y_stride + j;
        kfac::store(y, kfac::map(kfac::load(width, y), [&](float v) { return factor * v; }));
    });
}
