using KFac.Kernels;

namespace KFac.Nn;

/// <summary><c>y = shortcut(z or x) + s·branch(z)</c> with <c>z = entry(x)</c>: the block of residual networks, before and after activation alike.</summary>
/// <remarks>Without a shortcut module, x itself is added; with one, it sees z, as the branch does. Scalars that end the branch are applied in the
/// same pass over memory as the addition.</remarks>
public sealed class ResidualBlock : Module
{
    private readonly Module? _entry;
    private readonly Module _branch;
    private readonly Module? _shortcut;
    private readonly float _scale;
    private readonly ScalarAffine? _branchScalars;

    /// <summary>Makes the block.</summary>
    /// <param name="entry">What comes before the branch and the shortcut; null for nothing.</param>
    /// <param name="shortcut">Brings the input to the branch's shape; null where it has it.</param>
    /// <param name="scale">s.</param>
    /// <param name="branchScalars">A multiplier and a bias that the branch ends in; null for none.</param>
    public ResidualBlock(Module? entry, Module branch, Module? shortcut = null, float scale = 1f, ScalarAffine? branchScalars = null)
    {
        ArgumentNullException.ThrowIfNull(branch);
        if (branchScalars is { IsWhole: false })
        {
            throw new ArgumentException("A branch's scalars lack one of the two; wanted a multiplier and a bias.", nameof(branchScalars));
        }

        if (!float.IsFinite(scale))
        {
            throw new ArgumentException($"The branch's scale is {scale}; wanted a finite number.", nameof(scale));
        }

        (_entry, _branch, _shortcut, _scale, _branchScalars) = (entry, branch, shortcut, scale, branchScalars);
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Variable entered = _entry?.Forward(tape, input) ?? input;
        Variable skip = _shortcut?.Forward(tape, entered) ?? input;
        Variable branch = _branch.Forward(tape, entered);
        if (branch.Shape != skip.Shape)
        {
            throw new ArgumentException($"A residual block adds {branch.Shape} to {skip.Shape}; wanted the same shape.", nameof(input));
        }

        MatrixView<float> sum = tape.Memory.Matrix<float>(skip.Value.Rows, skip.Value.Columns);
        if (_branchScalars is not null)
        {
            return Join(tape, skip, branch, _branchScalars, sum);
        }

        Elementwise.Copy(tape.Stream, skip.Value, sum);
        Elementwise.Axpby(tape.Stream, _scale, branch.Value, 1f, sum);
        BranchAdditionOperation operation = tape.Rent<BranchAdditionOperation>();
        operation.Skip = skip;
        operation.Branch = branch;
        operation.Scale = _scale;
        return tape.Record(operation, sum, skip.Shape, skip.Segments, skip.NeedsGradient || branch.NeedsGradient);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        _entry?.Register(registry);
        _branch.Register(registry);
        _branchScalars?.Register(registry);
        _shortcut?.Register(registry);
    }

    private Variable Join(Tape tape, Variable skip, Variable branch, ScalarAffine scalars, MatrixView<float> sum)
    {
        BranchJoinOperation operation = tape.Rent<BranchJoinOperation>();
        operation.Skip = skip;
        operation.Branch = branch;
        operation.Scale = _scale;
        (operation.Multiplier, operation.Bias) = scalars.Scalars;
        Fixup.Join(tape.Stream, skip.Value, branch.Value, operation.Multiplier.Values.Row(0), operation.Bias.Values.Row(0), _scale, sum);
        return tape.Record(operation, sum, skip.Shape, skip.Segments, needsGradient: true);
    }
}

/// <summary>One use of a branch that ends in scalars, <c>y = skip + s·(m·x + b)</c>: ∂y itself goes to the skip, <c>∂x = s·m·∂y</c>,
/// <c>∂m = s·Σ x∘∂y</c>, <c>∂b = s·Σ ∂y</c>.</summary>
internal sealed class BranchJoinOperation : TapeOperation
{
    private Parameter? _multiplier;
    private Parameter? _bias;

    public Variable Skip { get; set; }

    public Variable Branch { get; set; }

    public float Scale { get; set; }

    public Parameter Multiplier
    {
        get => _multiplier!;
        set => _multiplier = value;
    }

    public Parameter Bias
    {
        get => _bias!;
        set => _bias = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> branchGradient = pass.Scratch(outputGradient.Rows, outputGradient.Columns);
        VectorView<float> multiplier = Multiplier.Values.Row(0);
        if (pass.Options.WeightGradients)
        {
            float beta = Multiplier.StartContribution(pass);
            _ = Bias.StartContribution(pass);
            Fixup.JoinBackward(
                pass.Stream, Branch.Value, multiplier, Scale, outputGradient, branchGradient, beta, Multiplier.Gradients.Row(0), Bias.Gradients.Row(0));
        }
        else
        {
            Fixup.JoinBackward(pass.Stream, Branch.Value, multiplier, Scale, outputGradient, branchGradient);
        }

        Give(pass, Branch, branchGradient);
        Give(pass, Skip, outputGradient);
    }

    private static void Give(BackwardPass pass, Variable input, MatrixView<float> gradient)
    {
        if (input.NeedsGradient)
        {
            pass.Contribute(input, gradient);
        }
        else
        {
            pass.Release(gradient);
        }
    }
}

/// <summary>The gradient of a sum goes to both terms, scaled to the branch.</summary>
internal sealed class BranchAdditionOperation : TapeOperation
{
    public Variable Skip { get; set; }

    public Variable Branch { get; set; }

    public float Scale { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        if (Skip.NeedsGradient)
        {
            MatrixView<float> skip = pass.Destination(Skip, out float beta);
            Elementwise.Axpby(pass.Stream, 1f, outputGradient, beta, skip);
        }

        if (!Branch.NeedsGradient)
        {
            pass.Release(outputGradient);
            return;
        }

        if (Scale != 1)
        {
            Elementwise.Axpby(pass.Stream, Scale, outputGradient, 0f, outputGradient);
        }

        pass.Contribute(Branch, outputGradient);
    }
}
