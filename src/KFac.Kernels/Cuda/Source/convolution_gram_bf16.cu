// Correlations of pixels with factors rounded to bfloat16.
#include "convolution_correlate.cuh"

KFAC_CONVOLUTIONS(bf16)
