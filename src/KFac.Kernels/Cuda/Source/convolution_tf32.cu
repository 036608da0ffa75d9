// Convolution with factors rounded to TF32.
#include "convolution_kernel.cuh"

KFAC_CONVOLUTIONS(tf32)
