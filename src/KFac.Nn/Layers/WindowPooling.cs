using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Pooling over square windows of channels-last images, [M, H, W, C] to [M, H', W', C].</summary>
public abstract class WindowPooling : Module
{
    private readonly int _window;
    private readonly int _stride;
    private readonly int _padding;
    private ConvolutionShape? _shape;

    private protected WindowPooling(int window, int? stride, int padding)
    {
        int step = stride ?? window;
        if (window < 1 || step < 1 || padding < 0 || 2L * padding > window)
        {
            throw new ArgumentException(
                $"Pooling is given windows of {window}, stride {step} and padding {padding}; wanted at least 1, 1 and 0, padding at most half a window.");
        }

        (_window, _stride, _padding) = (window, step, padding);
    }

    /// <summary>The windows over images like these, made once for images of one size.</summary>
    private protected ConvolutionShape ShapeFor(Variable input)
    {
        TensorShape given = input.Shape;
        if (given.Rank != 4 || input.Segments is not null)
        {
            throw new ArgumentException($"Pooling is given inputs {given}; wanted [examples, height, width, channels].", nameof(input));
        }

        if (_shape is null || (_shape.Channels, _shape.Height, _shape.Width) != (given.Columns, given[1], given[2]))
        {
            var shape = new ConvolutionShape
            {
                Channels = given.Columns,
                Height = given[1],
                Width = given[2],
                KernelHeight = _window,
                KernelWidth = _window,
                Stride = _stride,
                Padding = _padding,
            };
            shape.Validate();
            _shape = shape;
        }

        return _shape;
    }

    private protected static TensorShape OutputOf(Variable input, ConvolutionShape shape) =>
        TensorShape.Of(input.Shape[0], shape.OutputHeight, shape.OutputWidth, shape.Channels);
}

/// <summary>The largest value of every window, channel by channel.</summary>
public sealed class MaxPooling : WindowPooling
{
    /// <summary>Makes the module.</summary>
    /// <param name="window">Height and width of a window.</param>
    /// <param name="stride">From one window to the next; null for windows side by side.</param>
    /// <param name="padding">Pixels beyond the edges that windows may reach; they never are the largest.</param>
    public MaxPooling(int window, int? stride = null, int padding = 0)
        : base(window, stride, padding)
    {
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        ConvolutionShape shape = ShapeFor(input);
        TensorShape output = OutputOf(input, shape);
        MaxPoolingOperation operation = tape.Rent<MaxPoolingOperation>();
        MatrixView<float> y = tape.Memory.Matrix<float>(output.Rows, output.Columns);
        operation.Places = tape.Memory.Matrix<float>(output.Rows, output.Columns);
        operation.Shape = shape;
        operation.Input = input;
        Pooling.Max(tape.Stream, input.Value, shape, y, operation.Places);
        return tape.Record(operation, y, output, null, input.NeedsGradient);
    }
}

/// <summary>The mean of every window, channel by channel; padding counts as zeros.</summary>
public sealed class AveragePooling : WindowPooling
{
    /// <inheritdoc cref="MaxPooling(int, int?, int)"/>
    public AveragePooling(int window, int? stride = null, int padding = 0)
        : base(window, stride, padding)
    {
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        ConvolutionShape shape = ShapeFor(input);
        TensorShape output = OutputOf(input, shape);
        AveragePoolingOperation operation = tape.Rent<AveragePoolingOperation>();
        MatrixView<float> y = tape.Memory.Matrix<float>(output.Rows, output.Columns);
        operation.Shape = shape;
        operation.Input = input;
        Pooling.Average(tape.Stream, input.Value, shape, y);
        return tape.Record(operation, y, output, null, input.NeedsGradient);
    }
}

/// <summary>An output's gradient goes to the pixel that it was taken from.</summary>
internal sealed class MaxPoolingOperation : TapeOperation
{
    private ConvolutionShape? _shape;

    public Variable Input { get; set; }

    public MatrixView<float> Places { get; set; }

    public ConvolutionShape Shape
    {
        get => _shape!;
        set => _shape = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> gradient = pass.Destination(Input, out float beta);
        Pooling.MaxAdjoint(pass.Stream, outputGradient, Places, Shape, beta, gradient);
        pass.Release(outputGradient);
    }
}

/// <summary>An output's gradient goes to all pixels of its window.</summary>
internal sealed class AveragePoolingOperation : TapeOperation
{
    private ConvolutionShape? _shape;

    public Variable Input { get; set; }

    public ConvolutionShape Shape
    {
        get => _shape!;
        set => _shape = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> gradient = pass.Destination(Input, out float beta);
        Pooling.AverageAdjoint(pass.Stream, outputGradient, Shape, beta, gradient);
        pass.Release(outputGradient);
    }
}
