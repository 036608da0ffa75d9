// Elementwise: one pass over memory each.
#include "element_grid.cuh"

struct ElementwiseArguments {
    const float* x;
    float* y;
    const float* row;     // one entry a column
    const float* column;  // one entry a row
    long long x_stride;
    long long y_stride;
    int rows;
    int columns;
    float alpha;
    float beta;
};

// y <- alpha
KFAC_KERNEL(fill, ElementwiseArguments, 256) {
    kfac::for_each_element(args.rows, args.columns, [&](int i, int j) { args.y[i * args.y_stride + j] = args.alpha; });
}

// y <- x
KFAC_KERNEL(copy, ElementwiseArguments, 256) {
    kfac::for_each_element(args.rows, args.columns, [&](int i, int j) {
        args.y[i * args.y_stride + j] = args.x[i * args.x_stride + j];
    });
}

// y <- alpha x
KFAC_KERNEL(scale, ElementwiseArguments, 256) {
    kfac::for_each_element(args.rows, args.columns, [&](int i, int j) {
        args.y[i * args.y_stride + j] = args.alpha * args.x[i * args.x_stride + j];
    });
}

// y <- alpha x + beta y
KFAC_KERNEL(axpby, ElementwiseArguments, 256) {
    kfac::for_each_element(args.rows, args.columns, [&](int i, int j) {
        float& y = args.y[i * args.y_stride + j];
        y = kfac::fma(args.alpha, args.x[i * args.x_stride + j], args.beta * y);
    });
}

// y[i, :] <- y[i, :] + row
KFAC_KERNEL(add_row, ElementwiseArguments, 256) {
    kfac::for_each_element(args.rows, args.columns, [&](int i, int j) { args.y[i * args.y_stride + j] += args.row[j]; });
}

// y[i, j] <- x[i, j] / (column[i] row[j] + alpha)
KFAC_KERNEL(kronecker_divide, ElementwiseArguments, 256) {
    kfac::for_each_element(args.rows, args.columns, [&](int i, int j) {
        args.y[i * args.y_stride + j] = args.x[i * args.x_stride + j] / kfac::fma(args.column[i], args.row[j], args.alpha);
    });
}
