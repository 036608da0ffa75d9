using KFac.Kernels;

namespace KFac.Engine;

/// <summary>A factor that is not formed, but given by the few rows R that it is made of: <c>weight·RᵀR</c>.</summary>
/// <param name="Rows">R, [N, P] with N below P.</param>
/// <param name="Weight">What the sum of the rows' outer products is multiplied by.</param>
public readonly record struct FactorRows(MatrixView<float> Rows, double Weight)
{
    /// <summary>False for the default value: the factor is a matrix.</summary>
    public bool AreGiven => !Rows.IsEmpty;
}
