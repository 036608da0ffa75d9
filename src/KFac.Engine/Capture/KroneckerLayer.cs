namespace KFac.Engine;

/// <summary>A linear layer whose curvature is approximated by a Kronecker product.</summary>
/// <param name="Name">Unique within the model; used in messages, overrides and files.</param>
/// <param name="InputWidth">P_in, without the bias.</param>
/// <param name="OutputWidth">P_out.</param>
/// <param name="HasBias">Whether the input is extended by a constant 1. Weight and bias are then one
/// [P_out, P_in + 1] matrix whose last column is the bias.</param>
public sealed record KroneckerLayer(string Name, int InputWidth, int OutputWidth, bool HasBias)
{
    /// <summary>Width of the factor A: P_in, or P_in + 1 with a bias.</summary>
    public int FactorInputWidth => InputWidth + (HasBias ? 1 : 0);

    /// <summary>Whether only the diagonal of the factor B is kept, as a vector: the rows of the weight are the words of a vocabulary,
    /// too many for a matrix. The weight is an embedding table, whose lookups hand over token ids
    /// (<see cref="LayerRows.IsLookup"/>), the projection to scores of the words, or both at once, tied.</summary>
    public bool HasDiagonalOutput { get; init; }

    /// <summary>Rows of the factor B as it is stored: P_out, or 1 for a diagonal.</summary>
    internal int FactorOutputRows => HasDiagonalOutput ? 1 : OutputWidth;
}
