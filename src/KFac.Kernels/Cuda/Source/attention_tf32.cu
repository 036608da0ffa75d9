// Attention with factors rounded to TF32.
#include "attention_kernel.cuh"

KFAC_ATTENTION(tf32)
