using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The two Kronecker factors of one layer.</summary>
/// <param name="A">[P_in, P_in], or [P_in + 1, P_in + 1] with a bias; not meaningful where <see cref="RowsOfA"/> are given.</param>
/// <param name="B">[P_out, P_out], or its diagonal [1, P_out] where <see cref="KroneckerLayer.HasDiagonalOutput"/>; empty where B is the identity
/// (forward only), not meaningful where <see cref="RowsOfB"/> are given.</param>
public readonly record struct KroneckerPair(MatrixView<float> A, MatrixView<float> B)
{
    /// <summary>A by its rows instead of the matrix, for <see cref="InverseOptions.AcceptsRows"/>.</summary>
    public FactorRows RowsOfA { get; init; }

    /// <summary>B by its rows instead of the matrix.</summary>
    public FactorRows RowsOfB { get; init; }
}
