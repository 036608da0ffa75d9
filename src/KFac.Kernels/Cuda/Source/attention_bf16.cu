// Attention with factors rounded to bfloat16.
#include "attention_kernel.cuh"

KFAC_ATTENTION(bf16)
