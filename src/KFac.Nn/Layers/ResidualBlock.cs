using KFac.Kernels;

namespace KFac.Nn;

/// <summary><c>y = shortcut(z or x) + s·branch(z)</c> with <c>z = entry(x)</c>: the block of residual networks, before and after activation alike.</summary>
/// <remarks>Without a shortcut module, x itself is added; with one, it sees z, as the branch does.</remarks>
public sealed class ResidualBlock : Module
{
    private readonly Module? _entry;
    private readonly Module _branch;
    private readonly Module? _shortcut;
    private readonly float _scale;

    /// <summary>Makes the block.</summary>
    /// <param name="entry">What comes before the branch and the shortcut; null for nothing.</param>
    /// <param name="shortcut">Brings the input to the branch's shape; null where it has it.</param>
    /// <param name="scale">s.</param>
    public ResidualBlock(Module? entry, Module branch, Module? shortcut = null, float scale = 1f)
    {
        ArgumentNullException.ThrowIfNull(branch);
        if (!float.IsFinite(scale))
        {
            throw new ArgumentException($"The branch's scale is {scale}; wanted a finite number.", nameof(scale));
        }

        (_entry, _branch, _shortcut, _scale) = (entry, branch, shortcut, scale);
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
        _shortcut?.Register(registry);
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
