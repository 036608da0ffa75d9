using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The two Kronecker factors of one layer.</summary>
/// <param name="A">[P_in, P_in], or [P_in + 1, P_in + 1] with a bias.</param>
/// <param name="B">[P_out, P_out]; empty where B is the identity (forward only).</param>
public readonly record struct KroneckerPair(MatrixView<float> A, MatrixView<float> B);
