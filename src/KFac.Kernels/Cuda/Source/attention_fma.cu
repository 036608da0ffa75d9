// Attention in float32 without tensor cores: for narrow heads and short sequences, and as the kernels that others are compared with.
#include "attention_kernel.cuh"

KFAC_ATTENTION(fma)
