// Correlations of pixels with factors rounded to TF32.
#include "convolution_correlate.cuh"

KFAC_CONVOLUTIONS(tf32)
