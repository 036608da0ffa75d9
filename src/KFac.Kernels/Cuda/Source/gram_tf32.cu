// Products for Gram matrices with factors rounded to TF32.
#include "gram_kernel.cuh"

KFAC_GRAMS(tf32)
