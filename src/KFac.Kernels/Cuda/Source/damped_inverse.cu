// Damped inverses in float32 and float64: damped_inverse.cuh.
#include "damped_inverse.cuh"

KFAC_DAMPED_INVERSE(float)
KFAC_DAMPED_INVERSE(double)

KFAC_KERNEL(inverse_check, DampedInverseArguments, 32) { kfac::check_diagonal(args); }
