using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Puts a learned row before each example's rows: [M, R, P] becomes [M, R + 1, P] (Dosovitskiy et al. 2021).</summary>
/// <remarks>The parameter <c>name</c> is [1, P] without Kronecker structure.</remarks>
public sealed class ClassToken : Module
{
    private readonly string _name;
    private readonly int _width;
    private ParameterRegistry? _registry;
    private Parameter? _token;

    /// <summary>Describes the layer.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <param name="width">P, at least 1.</param>
    public ClassToken(string name, int width)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        (_name, _width) = (name, width);
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Parameter token = _token ?? throw new InvalidOperationException($"Layer '{_name}' has no parameters yet; make a Network of it first.");
        TensorShape shape = input.Shape;
        if (input.Segments is not null || shape.Rank != 3 || shape.Columns != _width)
        {
            throw new ArgumentException($"Layer '{_name}' is given {shape}; wanted [examples, rows, {_width}].", nameof(input));
        }

        TensorShape longer = TensorShape.Of(shape[0], shape[1] + 1, _width);
        MatrixView<float> y = tape.Memory.Matrix<float>(longer.Rows, _width);
        (MatrixView<float> first, MatrixView<float> rest) = Parts(y, _width, shape[1] + 1);
        Elementwise.Fill(tape.Stream, 0f, first);
        Elementwise.AddRow(tape.Stream, token.Values.Row(0), first);
        Elementwise.Copy(tape.Stream, input.Value.Reshape(shape[0], shape[1] * _width), rest);
        ClassTokenOperation operation = tape.Rent<ClassTokenOperation>();
        operation.Input = input;
        operation.Token = token;
        return tape.Record(operation, y, longer, null, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, _name))
        {
            _token = registry.AddVector(_name, _width, ParameterInitialization.Normal(0.02f));
        }
    }

    /// <summary>The first row of each example, [M, P], and all others, [M, R·P].</summary>
    internal static (MatrixView<float> First, MatrixView<float> Others) Parts(MatrixView<float> rows, int width, int length)
    {
        MatrixView<float> examples = rows.Reshape(rows.Rows / length, length * width);
        return (examples.Slice(0, 0, examples.Rows, width), examples.Slice(0, width, examples.Rows, (length - 1) * width));
    }
}

/// <summary>The token's gradient is the sum over the examples' first rows.</summary>
internal sealed class ClassTokenOperation : TapeOperation
{
    private Parameter? _token;

    public Variable Input { get; set; }

    public Parameter Token
    {
        get => _token!;
        set => _token = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        int width = Token.Columns;
        (MatrixView<float> first, MatrixView<float> rest) = ClassToken.Parts(outputGradient, width, Input.Shape[1] + 1);
        if (pass.Options.WeightGradients)
        {
            Reduction.ColumnSum(pass.Stream, first, 1f, Token.StartContribution(pass), Token.Gradients.Row(0));
        }

        if (Input.NeedsGradient)
        {
            MatrixView<float> gradient = pass.Scratch(pass.Seeds * Input.Value.Rows, width);
            Elementwise.Copy(pass.Stream, rest, gradient.Reshape(rest.Rows, rest.Columns));
            pass.Contribute(Input, gradient);
        }

        pass.Release(outputGradient);
    }
}
