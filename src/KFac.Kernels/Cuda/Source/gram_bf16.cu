// Products for Gram matrices with factors rounded to bfloat16.
#include "gram_kernel.cuh"

KFAC_GRAMS(bf16)
