// Products for Gram matrices in float32 without tensor cores: for few rows, and as the kernel that others are compared with.
#include "gram_kernel.cuh"

KFAC_GRAMS(fma)
