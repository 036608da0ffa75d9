using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A linear layer <c>Y = X·Wᵀ + 1·bᵀ</c> that shares its weight over all rows of X.</summary>
/// <remarks>X is [M, sharing dimensions…, P_in] or ragged [R_M, P_in]; Y has the same dimensions with width P_out.</remarks>
public sealed class Linear : Module
{
    private readonly ImageSize? _flattenedImage;
    private ParameterRegistry? _registry;
    private LinearParameter? _parameter;

    /// <summary>Describes the layer; it gets its parameters when a network takes it.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <param name="inputWidth">P_in, at least 1.</param>
    /// <param name="outputWidth">P_out, at least 1.</param>
    public Linear(
        string name,
        int inputWidth,
        int outputWidth,
        bool bias = true,
        WeightInitialization initialization = WeightInitialization.He)
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

    /// <summary>Standard deviation of normal initial weights instead of <see cref="Initialization"/>; null to follow that. Above 0.</summary>
    public float? StandardDeviation { get; init; }

    /// <summary>Whether the rows of the weight have lengths of their own.</summary>
    public WeightNormalization Normalization { get; init; }

    /// <summary>The size of the image whose pixels are the inputs, as <see cref="Reshape"/> leaves them: weight files then have the columns in
    /// PyTorch's order, plane by plane. Null for inputs of any other kind.</summary>
    /// <exception cref="ArgumentException">The image has another number of elements than there are inputs.</exception>
    public ImageSize? FlattenedImage
    {
        get => _flattenedImage;
        init => _flattenedImage = value is not { } image || image.Height * image.Width * image.Channels == Layer.InputWidth
            ? value
            : throw new ArgumentException($"Layer '{Layer.Name}' is given {Layer.InputWidth} inputs as an image of {image.Height}×{image.Width}×{image.Channels}; wanted as many elements.");
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        LinearParameter parameter = _parameter
            ?? throw new InvalidOperationException($"Layer '{Layer.Name}' has no parameters yet; make a Network of it first.");
        if (input.Shape.Columns != Layer.InputWidth)
        {
            throw new ArgumentException(
                $"Layer '{Layer.Name}' is given inputs {input.Shape} of width {input.Shape.Columns}; wanted width {Layer.InputWidth}.",
                nameof(input));
        }

        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, Layer.OutputWidth);
        MatrixView<float> effective = parameter.Effective(tape);
        Gemm.Run(tape.Stream, Transpose.No, Transpose.Yes, 1f, x, parameter.WeightOf(effective), 0f, y);
        if (Layer.HasBias)
        {
            VectorView<float> row = tape.Memory.Vector<float>(Layer.OutputWidth);
            Elementwise.Copy(tape.Stream, parameter.Bias, row.AsMatrix(Layer.OutputWidth, 1));
            Elementwise.AddRow(tape.Stream, row, y);
        }

        LinearOperation operation = tape.Rent<LinearOperation>();
        operation.Input = input;
        operation.Parameter = parameter;
        operation.Effective = effective;
        return tape.Record(operation, y, input.Shape.WithColumns(Layer.OutputWidth), input.Segments, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, Layer.Name))
        {
            _parameter = registry.AddLinear(Layer, Initialization, StandardDeviation, Normalization);
            _parameter.FileImage = FlattenedImage;
        }
    }
}
