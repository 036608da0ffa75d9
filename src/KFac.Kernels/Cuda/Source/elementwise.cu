// Elementwise: one pass over memory each.
#include "element_grid.cuh"

struct ElementwiseArguments {
    const float* x;
    float* y;
    const float* row;     // one entry a column
    const float* column;  // one entry a row
    long long x_stride;
    long long y_stride;
    kfac::ElementRange range;
    float alpha;
    float beta;
};

// y <- alpha
KFAC_KERNEL(fill, ElementwiseArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        kfac::Pack<decltype(width)::value> value;
        for (float& element : value.at) {
            element = args.alpha;
        }

        kfac::store(args.y + i * args.y_stride + j, value);
    });
}

// y <- x
KFAC_KERNEL(copy, ElementwiseArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        kfac::store(args.y + i * args.y_stride + j, kfac::load(width, args.x + i * args.x_stride + j));
    });
}

// y <- alpha x
KFAC_KERNEL(scale, ElementwiseArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const auto x = kfac::load(width, args.x + i * args.x_stride + j);
        kfac::store(args.y + i * args.y_stride + j, kfac::map(x, [&](float v) { return args.alpha * v; }));
    });
}

// y <- alpha x + beta y
KFAC_KERNEL(axpby, ElementwiseArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        float* y = args.y + i * args.y_stride + j;
        kfac::store(y, kfac::map(kfac::load(width, args.x + i * args.x_stride + j), kfac::load(width, y), [&](float v, float old) {
            return kfac::fma(args.alpha, v, args.beta * old);
        }));
    });
}

// y[i, :] <- y[i, :] + row
KFAC_KERNEL(add_row, ElementwiseArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        float* y = args.y + i * args.y_stride + j;
        kfac::store(y, kfac::map(kfac::load(width, args.row + j), kfac::load(width, y), [](float v, float old) { return old + v; }));
    });
}

// y[i, j] <- x[i, j] / (column[i] row[j] + alpha)
KFAC_KERNEL(kronecker_divide, ElementwiseArguments, 256) {
    kfac::for_each_pack(args.range, [&](auto width, int i, int j) {
        const float b = args.column[i];
        const auto x = kfac::load(width, args.x + i * args.x_stride + j);
        kfac::store(args.y + i * args.y_stride + j, kfac::map(x, kfac::load(width, args.row + j), [&](float v, float a) {
            return v / kfac::fma(b, a, args.alpha);
        }));
    });
}
