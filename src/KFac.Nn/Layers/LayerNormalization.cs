using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Layer normalisation (Ba et al. 2016) of every row, <c>y = gain∘(x − μ)/√(σ² + ε) + bias</c>; keeps every shape.</summary>
/// <remarks>Its parameters <c>name.weight</c> and <c>name.bias</c> have no Kronecker structure.</remarks>
public sealed class LayerNormalization : Module
{
    private readonly string _name;
    private readonly int _width;
    private readonly float _epsilon;
    private ParameterRegistry? _registry;
    private Parameter? _gain;
    private Parameter? _bias;

    /// <summary>Describes the layer.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <param name="width">P, at least 1.</param>
    /// <param name="epsilon">ε, above 0.</param>
    public LayerNormalization(string name, int width, float epsilon = 1e-5f)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (width < 1 || !float.IsFinite(epsilon) || epsilon <= 0)
        {
            throw new ArgumentException($"Layer '{name}' is given width {width} and epsilon {epsilon}; wanted a width of at least 1 and an epsilon above 0.");
        }

        _name = name;
        _width = width;
        _epsilon = epsilon;
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (_gain is null || _bias is null)
        {
            throw new InvalidOperationException($"Layer '{_name}' has no parameters yet; make a Network of it first.");
        }

        if (input.Shape.Columns != _width)
        {
            throw new ArgumentException($"Layer '{_name}' is given inputs {input.Shape}; wanted width {_width}.", nameof(input));
        }

        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, x.Columns);
        MatrixView<float> statistics = tape.Memory.Matrix<float>(x.Rows, LayerNorm.StatisticsColumns);
        LayerNorm.Forward(tape.Stream, x, _gain.Values.Row(0), _bias.Values.Row(0), _epsilon, y, statistics);
        LayerNormalizationOperation operation = tape.Rent<LayerNormalizationOperation>();
        operation.Input = input;
        operation.Statistics = statistics;
        operation.Gain = _gain;
        operation.Bias = _bias;
        return tape.Record(operation, y, input.Shape, input.Segments, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, _name))
        {
            _gain = registry.AddVector($"{_name}.weight", _width, ParameterInitialization.Ones);
            _bias = registry.AddVector($"{_name}.bias", _width, ParameterInitialization.Zeros);
        }
    }
}

/// <summary>One use of a layer normalisation.</summary>
internal sealed class LayerNormalizationOperation : TapeOperation
{
    private Parameter? _gain;
    private Parameter? _bias;

    public Variable Input { get; set; }

    public MatrixView<float> Statistics { get; set; }

    public Parameter Gain
    {
        get => _gain!;
        set => _gain = value;
    }

    public Parameter Bias
    {
        get => _bias!;
        set => _bias = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        if (pass.Options.WeightGradients)
        {
            float beta = Gain.StartContribution(pass);
            _ = Bias.StartContribution(pass);
            LayerNorm.ParameterGradients(
                pass.Stream, Input.Value, Statistics, outputGradient, beta, Gain.Gradients.Row(0), Bias.Gradients.Row(0));
        }

        if (!Input.NeedsGradient)
        {
            pass.Release(outputGradient);
            return;
        }

        LayerNorm.Backward(pass.Stream, Input.Value, Statistics, Gain.Values.Row(0), outputGradient, outputGradient);
        pass.Contribute(Input, outputGradient);
    }
}
