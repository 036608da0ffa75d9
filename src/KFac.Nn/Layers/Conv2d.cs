using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a convolution.</summary>
public sealed record Conv2dOptions
{
    /// <summary>C of the input.</summary>
    public required int InputChannels { get; init; }

    /// <summary>C of the output.</summary>
    public required int OutputChannels { get; init; }

    /// <summary>k_h.</summary>
    public int KernelHeight { get; init; } = 3;

    /// <summary>k_w.</summary>
    public int KernelWidth { get; init; } = 3;

    /// <summary>Pixels from one output position to the next.</summary>
    public int Stride { get; init; } = 1;

    /// <summary>Zeros beyond each of the four edges.</summary>
    public int Padding { get; init; }

    /// <summary>Pixels from one element of the kernel to the next.</summary>
    public int Dilation { get; init; } = 1;

    /// <summary>Groups of channels that are convolved apart, of both the input and the output.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Whether there is a bias.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>How the weights start.</summary>
    public WeightInitialization Initialization { get; init; } = WeightInitialization.He;

    /// <summary>Of normal weights, instead of <see cref="Initialization"/>.</summary>
    public float? StandardDeviation { get; init; }

    /// <summary>Whether output channels have lengths of their own.</summary>
    public WeightNormalization Normalization { get; init; }

    /// <summary>The convolution of one group over images of a size.</summary>
    internal ConvolutionShape ShapeOfGroup(int height, int width) => new()
    {
        Channels = InputChannels / Groups,
        Height = height,
        Width = width,
        KernelHeight = KernelHeight,
        KernelWidth = KernelWidth,
        Stride = Stride,
        Padding = Padding,
        Dilation = Dilation,
    };

    /// <summary>Throws when a value is out of range.</summary>
    /// <param name="name">Of the layer, for the message.</param>
    /// <exception cref="ArgumentException">Names the layer, what was given and what is wanted.</exception>
    internal void Validate(string name)
    {
        int least = new[] { InputChannels, OutputChannels, KernelHeight, KernelWidth, Stride, Dilation, Groups }.Min();
        if (least < 1 || Padding < 0 || InputChannels % Groups != 0 || OutputChannels % Groups != 0)
        {
            throw new ArgumentException(
                $"Layer '{name}' is given channels {InputChannels} → {OutputChannels}, a kernel of {KernelHeight}×{KernelWidth}, stride {Stride}, "
                + $"padding {Padding}, dilation {Dilation} and {Groups} groups; wanted at least 1 each (padding 0), channels being multiples of the groups.");
        }
    }
}

/// <summary>A convolution of channels-last images, [M, H, W, C] to [M, H', W', C_out]: a linear layer that shares its weight over the output positions.</summary>
/// <remarks>A group is a Kronecker layer of its own, <c>name.group0</c> and so on, with P_in the elements of a group's patch; a convolution
/// without groups is one layer, <c>name</c>. Weights are ordered [C_out, C, k_h, k_w]; files hold the groups' as one. Patches are never stored.</remarks>
public sealed class Conv2d : Module
{
    private readonly LinearParameter?[] _parameters;
    private ParameterRegistry? _registry;
    private ConvolutionShape? _shape;

    /// <summary>Describes the layer; it gets its parameters when a network takes it.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public Conv2d(string name, Conv2dOptions options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(name);
        Name = name;
        Options = options;
        _parameters = new LinearParameter?[options.Groups];
    }

    /// <summary>Unique within the network.</summary>
    public string Name { get; }

    /// <summary>Its settings.</summary>
    public Conv2dOptions Options { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (_parameters[0] is null)
        {
            throw new InvalidOperationException($"Layer '{Name}' has no parameters yet; make a Network of it first.");
        }

        ConvolutionShape shape = ShapeFor(input);
        MatrixView<float> y = tape.Memory.Matrix<float>(input.Shape[0] * shape.Positions, Options.OutputChannels);
        ConvolutionOperation operation = tape.Rent<ConvolutionOperation>();
        operation.Layer = this;
        operation.Shape = shape;
        operation.Input = input;
        for (int group = 0; group < Options.Groups; group++)
        {
            MatrixView<float> effective = Parameter(group).Effective(tape);
            Convolution.Forward(tape.Stream, InputOf(input.Value, group), shape, effective, OutputOf(y, group));
            operation.SetEffective(group, effective);
        }

        TensorShape output = TensorShape.Of(input.Shape[0], shape.OutputHeight, shape.OutputWidth, Options.OutputChannels);
        return tape.Record(operation, y, output, null, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (!registry.IsFirstVisit(ref _registry, Name))
        {
            return;
        }

        int patch = Options.InputChannels / Options.Groups * Options.KernelHeight * Options.KernelWidth;
        for (int group = 0; group < Options.Groups; group++)
        {
            string name = Options.Groups == 1 ? Name : $"{Name}.group{group}";
            var layer = new KroneckerLayer(name, patch, Options.OutputChannels / Options.Groups, Options.Bias);
            LinearParameter parameter = registry.AddLinear(layer, Options.Initialization, Options.StandardDeviation, Options.Normalization);
            parameter.FileOwner = Name;
            parameter.FileSizes = [Options.InputChannels / Options.Groups, Options.KernelHeight, Options.KernelWidth];
            _parameters[group] = parameter;
        }
    }

    internal LinearParameter Parameter(int group) => _parameters[group]!;

    /// <summary>A group's columns of images or their gradients.</summary>
    internal MatrixView<float> InputOf(MatrixView<float> images, int group) => ColumnsOf(images, group);

    /// <summary>A group's columns of outputs or their gradients.</summary>
    internal MatrixView<float> OutputOf(MatrixView<float> outputs, int group) => ColumnsOf(outputs, group);

    private MatrixView<float> ColumnsOf(MatrixView<float> rows, int group)
    {
        int columns = rows.Columns / Options.Groups;
        return rows.Slice(0, group * columns, rows.Rows, columns);
    }

    /// <summary>Made once for images of one size.</summary>
    private ConvolutionShape ShapeFor(Variable input)
    {
        TensorShape given = input.Shape;
        if (given.Rank != 4 || given.Columns != Options.InputChannels || input.Segments is not null)
        {
            throw new ArgumentException(
                $"Layer '{Name}' is given inputs {given}; wanted [examples, height, width, {Options.InputChannels}].", nameof(input));
        }

        if (_shape is null || (_shape.Height, _shape.Width) != (given[1], given[2]))
        {
            ConvolutionShape shape = Options.ShapeOfGroup(given[1], given[2]);
            try
            {
                shape.Validate();
            }
            catch (ArgumentException refused)
            {
                throw new ArgumentException($"Layer '{Name}' is given inputs {given}. {refused.Message}", nameof(input), refused);
            }

            _shape = shape;
        }

        return _shape;
    }
}
