// Correlations of pixels in float32 without tensor cores: for few pixels, and as the kernel that others are compared with.
#include "convolution_correlate.cuh"

KFAC_CONVOLUTIONS(fma)
