using KFac.Kernels;

namespace KFac.Nn;

/// <summary><c>y = max(x + a, 0) + b</c> with one bias for all elements before the rectifier and one after it, as Fixup networks have them
/// (Zhang et al. 2019); keeps every shape.</summary>
/// <remarks>The same as two <see cref="ScalarAffine"/> round an activation, in one pass over memory. Both biases start as 0.</remarks>
public sealed class ShiftedRelu : Module
{
    private readonly string _before;
    private readonly string _after;
    private ParameterRegistry? _registry;
    private Parameter? _biasBefore;
    private Parameter? _biasAfter;

    /// <summary>Describes the layer.</summary>
    /// <param name="before">Unique within the network; the first bias is the parameter <c>before.bias</c>.</param>
    /// <param name="after">Unique within the network; the second bias is the parameter <c>after.bias</c>.</param>
    public ShiftedRelu(string before, string after)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(before);
        ArgumentException.ThrowIfNullOrWhiteSpace(after);
        (_before, _after) = (before, after);
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (_biasBefore is null || _biasAfter is null)
        {
            throw new InvalidOperationException($"Layer '{_before}' has no parameters yet; make a Network of it first.");
        }

        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, x.Columns);
        Fixup.Activate(tape.Stream, x, _biasBefore.Values.Row(0), _biasAfter.Values.Row(0), y);
        ShiftedReluOperation operation = tape.Rent<ShiftedReluOperation>();
        operation.Input = input;
        operation.Before = _biasBefore;
        operation.After = _biasAfter;
        return tape.Record(operation, y, input.Shape, input.Segments, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, _before))
        {
            _biasBefore = registry.AddVector($"{_before}.bias", 1, ParameterInitialization.Zeros);
            _biasAfter = registry.AddVector($"{_after}.bias", 1, ParameterInitialization.Zeros);
        }
    }
}

/// <summary>One use: <c>∂x = [x + a &gt; 0]·∂y</c> in place of ∂y, <c>∂a = Σ ∂x</c>, <c>∂b = Σ ∂y</c>.</summary>
internal sealed class ShiftedReluOperation : TapeOperation
{
    private Parameter? _before;
    private Parameter? _after;

    public Variable Input { get; set; }

    public Parameter Before
    {
        get => _before!;
        set => _before = value;
    }

    public Parameter After
    {
        get => _after!;
        set => _after = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        VectorView<float> before = Before.Values.Row(0);
        if (pass.Options.WeightGradients)
        {
            float beta = Before.StartContribution(pass);
            _ = After.StartContribution(pass);
            Fixup.ActivateBackward(
                pass.Stream, Input.Value, before, outputGradient, outputGradient, beta, Before.Gradients.Row(0), After.Gradients.Row(0));
        }
        else if (Input.NeedsGradient)
        {
            Fixup.ActivateBackward(pass.Stream, Input.Value, before, outputGradient, outputGradient);
        }

        if (Input.NeedsGradient)
        {
            pass.Contribute(Input, outputGradient);
        }
        else
        {
            pass.Release(outputGradient);
        }
    }
}
