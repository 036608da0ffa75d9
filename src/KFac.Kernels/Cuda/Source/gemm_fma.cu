// General matrix products in float32 without tensor cores: for short sums, and as the kernel that others are compared with.
#include "gemm_kernel.cuh"

KFAC_GEMMS(fma, large)
KFAC_GEMMS(fma, small)
