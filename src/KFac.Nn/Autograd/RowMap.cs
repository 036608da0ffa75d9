using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A sparse linear map of rows with its transpose: gathering and adding up, forward and backward.</summary>
/// <param name="Matrix">[output rows, input rows].</param>
/// <param name="Transposed">[input rows, output rows].</param>
public readonly record struct RowMap(SparseMatrix Matrix, SparseMatrix Transposed)
{
    /// <summary>The map in the other direction: of a gather the adding up.</summary>
    public RowMap Reversed => new(Transposed, Matrix);
}
