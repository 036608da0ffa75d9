// Convolution in float32 without tensor cores: for short sums, and as the kernels that others are compared with.
#include "convolution_kernel.cuh"

KFAC_CONVOLUTIONS(fma)
