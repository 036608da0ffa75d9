// General matrix products with factors rounded to TF32.
#include "gemm_kernel.cuh"

KFAC_GEMMS(tf32, large)
KFAC_GEMMS(tf32, small)
