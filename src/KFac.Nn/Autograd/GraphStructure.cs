using KFac.Kernels;

namespace KFac.Nn;

/// <summary>How the rows of a forward pass hang together as a graph: what layers on graphs read besides their input.</summary>
/// <remarks>Borrowed by the tape for one forward pass and its backward passes (<see cref="Tape.Graph"/>).</remarks>
public sealed class GraphStructure
{
    /// <summary>Ĉ, [nodes, nodes], symmetric: what <see cref="GraphConvolution"/> aggregates by; null where no layer wants it.</summary>
    public SparseMatrix? NormalizedAdjacency { get; init; }

    /// <summary>Edges and their features, for a <see cref="GraphNetwork"/>; null where no layer wants them.</summary>
    public MessageGraph? Messages { get; init; }
}
