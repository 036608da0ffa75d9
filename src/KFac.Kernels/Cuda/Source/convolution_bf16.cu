// Convolution with factors rounded to bfloat16.
#include "convolution_kernel.cuh"

KFAC_CONVOLUTIONS(bf16)
