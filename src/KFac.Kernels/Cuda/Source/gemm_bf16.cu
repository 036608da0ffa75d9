// General matrix products with factors rounded to bfloat16.
#include "gemm_kernel.cuh"

KFAC_GEMMS(bf16, large)
KFAC_GEMMS(bf16, small)
