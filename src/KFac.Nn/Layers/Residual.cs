using KFac.Kernels;

namespace KFac.Nn;

/// <summary><c>y = x + inner(x)</c>.</summary>
public sealed class Residual : Module
{
    /// <summary>Makes the connection around a module that keeps its input's shape.</summary>
    public Residual(Module inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        Inner = inner;
    }

    /// <summary>The module that is skipped.</summary>
    public Module Inner { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Variable branch = Inner.Forward(tape, input);
        if (branch.Shape != input.Shape)
        {
            throw new ArgumentException(
                $"A residual branch turns {input.Shape} into {branch.Shape}; wanted the same shape.", nameof(input));
        }

        return AdditionOperation.Record(tape, input, branch);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry) => Inner.Register(registry);
}

/// <summary>The gradient of a sum goes to both terms.</summary>
internal sealed class AdditionOperation : TapeOperation
{
    public Variable Left { get; set; }

    public Variable Right { get; set; }

    /// <summary>Records the sum of two variables of one shape.</summary>
    public static Variable Record(Tape tape, Variable left, Variable right)
    {
        MatrixView<float> sum = tape.Memory.Matrix<float>(left.Value.Rows, left.Value.Columns);
        Elementwise.Copy(tape.Stream, left.Value, sum);
        Elementwise.Axpby(tape.Stream, 1f, right.Value, 1f, sum);
        AdditionOperation operation = tape.Rent<AdditionOperation>();
        operation.Left = left;
        operation.Right = right;
        return tape.Record(operation, sum, left.Shape, left.Segments, left.NeedsGradient || right.NeedsGradient);
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        if (Left.NeedsGradient)
        {
            MatrixView<float> left = pass.Destination(Left, out float beta);
            Elementwise.Axpby(pass.Stream, 1f, outputGradient, beta, left);
        }

        if (Right.NeedsGradient)
        {
            pass.Contribute(Right, outputGradient);
        }
        else
        {
            pass.Release(outputGradient);
        }
    }
}
