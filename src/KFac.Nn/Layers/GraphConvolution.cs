using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A graph convolution <c>Y = Ĉ·X·Wᵀ + 1·bᵀ</c> (Kipf and Welling 2017): a linear layer on the aggregated input.</summary>
/// <remarks>
/// X is [nodes, P_in]; Ĉ is <see cref="GraphStructure.NormalizedAdjacency"/> of the tape. Its curvature is that of a layer without
/// sharing whose inputs are the rows of <c>Ĉ·X</c> (equation 52): every node is an example, and M is the number of all
/// nodes, those without a label included, since they are inputs of the layer like the others. Nodes without a label
/// add nothing to B by themselves: their seeds are zero.
/// <para>Aggregation costs the width that it is done at, so it goes to the narrower side of the weight. Where that is the
/// output's, <c>Ĉ·X</c> is formed only when a factor or a gradient's rows are asked for.</para>
/// </remarks>
public sealed class GraphConvolution : Module
{
    private ParameterRegistry? _registry;
    private LinearParameter? _parameter;

    /// <summary>Describes the layer; it gets its parameters when a network takes it.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <param name="inputWidth">P_in, at least 1.</param>
    /// <param name="outputWidth">P_out, at least 1.</param>
    public GraphConvolution(
        string name,
        int inputWidth,
        int outputWidth,
        bool bias = true,
        WeightInitialization initialization = WeightInitialization.Glorot)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (inputWidth < 1 || outputWidth < 1)
        {
            throw new ArgumentException($"Layer '{name}' is given widths {inputWidth} → {outputWidth}; wanted at least 1.");
        }

        if (!Enum.IsDefined(initialization))
        {
            throw new ArgumentException(
                $"Layer '{name}' is given initialization {(int)initialization}; wanted one of {string.Join(", ", Enum.GetNames<WeightInitialization>())}.");
        }

        Layer = new KroneckerLayer(name, inputWidth, outputWidth, bias);
        Initialization = initialization;
    }

    /// <summary>Name and widths.</summary>
    public KroneckerLayer Layer { get; }

    /// <summary>How the weights start.</summary>
    public WeightInitialization Initialization { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        LinearParameter parameter = _parameter
            ?? throw new InvalidOperationException($"Layer '{Layer.Name}' has no parameters yet; make a Network of it first.");
        SparseMatrix adjacency = tape.Graph?.NormalizedAdjacency
            ?? throw new InvalidOperationException($"Layer '{Layer.Name}' is given no normalised adjacency; pass a graph structure with one to Forward.");
        MatrixView<float> x = input.Value;
        if (input.Segments is not null || input.Sharing != 1 || x.Rows != adjacency.Rows || x.Columns != Layer.InputWidth)
        {
            throw new ArgumentException(
                $"Layer '{Layer.Name}' is given inputs {input.Shape} for {adjacency.Rows} nodes; wanted [{adjacency.Rows}, {Layer.InputWidth}].",
                nameof(input));
        }

        GraphConvolutionOperation operation = tape.Rent<GraphConvolutionOperation>();
        operation.Begin(input, parameter, adjacency);
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, Layer.OutputWidth);
        operation.Multiply(tape, y);
        if (Layer.HasBias)
        {
            VectorView<float> row = tape.Memory.Vector<float>(Layer.OutputWidth);
            Elementwise.Copy(tape.Stream, parameter.Bias, row.AsMatrix(Layer.OutputWidth, 1));
            Elementwise.AddRow(tape.Stream, row, y);
        }

        return tape.Record(operation, y, input.Shape.WithColumns(Layer.OutputWidth), null, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, Layer.Name))
        {
            _parameter = registry.AddLinear(Layer, Initialization);
        }
    }
}
