using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Batch normalisation of every column over the rows of all examples, or of ghost batches of some; keeps every shape.</summary>
/// <remarks>Parameters <c>name.weight</c> and <c>name.bias</c>, state <c>name.running_mean</c> and <c>name.running_var</c>: running averages that training
/// updates and evaluation uses (<see cref="Tape.Training"/>). Curvature passes see the statistics of the training forward pass.</remarks>
public sealed class BatchNormalization : Module
{
    private readonly string _name;
    private readonly int _width;
    private readonly int _ghostBatch;
    private readonly float _momentum;
    private readonly float _epsilon;
    private ParameterRegistry? _registry;
    private Parameter? _gain;
    private Parameter? _bias;
    private StateVector? _mean;
    private StateVector? _variance;

    /// <summary>Describes the layer.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <param name="width">C, at least 1.</param>
    /// <param name="ghostBatch">Examples that are normalised together; null for all of the batch.</param>
    /// <param name="momentum">Share of the new statistics in the running averages.</param>
    /// <param name="epsilon">ε, above 0.</param>
    /// <param name="initialGain">What the gains start as; 0 makes a residual branch start as nothing.</param>
    public BatchNormalization(
        string name, int width, int? ghostBatch = null, float momentum = 0.1f, float epsilon = 1e-5f, float initialGain = 1f)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (width < 1 || ghostBatch is < 1 || momentum is not (>= 0 and <= 1) || !float.IsFinite(epsilon) || epsilon <= 0)
        {
            throw new ArgumentException(
                $"Layer '{name}' is given width {width}, ghost batches of {ghostBatch?.ToString() ?? "all"}, momentum {momentum} and epsilon {epsilon}; "
                + "wanted at least 1, at least 1, 0 to 1 and above 0.");
        }

        (_name, _width, _ghostBatch, _momentum, _epsilon) = (name, width, ghostBatch ?? int.MaxValue, momentum, epsilon);
        InitialGain = initialGain;
    }

    /// <summary>What the gains start as.</summary>
    public float InitialGain { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (_gain is null || _bias is null || _mean is null || _variance is null)
        {
            throw new InvalidOperationException($"Layer '{_name}' has no parameters yet; make a Network of it first.");
        }

        if (input.Shape.Columns != _width || (input.Segments is not null && _ghostBatch != int.MaxValue))
        {
            throw new ArgumentException(
                $"Layer '{_name}' is given inputs {input.Shape}; wanted width {_width}, and the same number of rows in every example for ghost batches.",
                nameof(input));
        }

        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, x.Columns);
        BatchNormalizationOperation operation = tape.Rent<BatchNormalizationOperation>();
        int groupRows = tape.Training ? (int)Math.Min((long)_ghostBatch * Math.Max(1, input.Sharing), x.Rows) : x.Rows;
        MatrixView<float> statistics = tape.Memory.Matrix<float>(2 * BatchNorm.Groups(x.Rows, groupRows), _width);
        if (tape.Training)
        {
            BatchNorm.Statistics(tape.Stream, x, groupRows, _epsilon, statistics);
            BatchNorm.UpdateRunning(tape.Stream, statistics, groupRows, _epsilon, _momentum, _mean.Values, _variance.Values);
        }
        else
        {
            BatchNorm.FromRunning(tape.Stream, _mean.Values, _variance.Values, _epsilon, statistics);
        }

        BatchNorm.Normalize(tape.Stream, x, groupRows, statistics, _gain.Values.Row(0), _bias.Values.Row(0), y);
        operation.Input = input;
        operation.Statistics = statistics;
        operation.GroupRows = groupRows;
        operation.HasConstantStatistics = !tape.Training;
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
            _gain = registry.AddVector($"{_name}.weight", _width, ParameterInitialization.Constant(InitialGain));
            _bias = registry.AddVector($"{_name}.bias", _width, ParameterInitialization.Zeros);
            _mean = registry.AddState($"{_name}.running_mean", _width, 0f);
            _variance = registry.AddState($"{_name}.running_var", _width, 1f);
        }
    }
}

/// <summary>One use of a batch normalisation.</summary>
internal sealed class BatchNormalizationOperation : TapeOperation
{
    private Parameter? _gain;
    private Parameter? _bias;

    public Variable Input { get; set; }

    public MatrixView<float> Statistics { get; set; }

    public int GroupRows { get; set; }

    public bool HasConstantStatistics { get; set; }

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
            BatchNorm.ParameterGradients(
                pass.Stream, Input.Value, GroupRows, Statistics, outputGradient, beta, Gain.Gradients.Row(0), Bias.Gradients.Row(0));
        }

        if (!Input.NeedsGradient)
        {
            pass.Release(outputGradient);
            return;
        }

        BatchNorm.Backward(
            pass.Stream, Input.Value, GroupRows, Statistics, Gain.Values.Row(0), outputGradient, outputGradient, HasConstantStatistics);
        pass.Contribute(Input, outputGradient);
    }
}
