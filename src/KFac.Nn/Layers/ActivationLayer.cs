using KFac.Kernels;

namespace KFac.Nn;

/// <summary>An element-wise non-linearity; keeps every shape.</summary>
public sealed class ActivationLayer : Module
{
    /// <summary>Makes the layer.</summary>
    public ActivationLayer(ActivationKind kind)
    {
        if (!Enum.IsDefined(kind))
        {
            throw new ArgumentException(
                $"The activation is {(int)kind}; wanted one of {string.Join(", ", Enum.GetNames<ActivationKind>())}.", nameof(kind));
        }

        Kind = kind;
    }

    /// <summary>Which non-linearity.</summary>
    public ActivationKind Kind { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, x.Columns);
        Activation.Forward(tape.Stream, Kind, x, y);
        ActivationOperation operation = tape.Rent<ActivationOperation>();
        operation.Kind = Kind;
        operation.Input = input;
        return tape.Record(operation, y, input.Shape, input.Segments, input.NeedsGradient);
    }
}

/// <summary><c>∂x = f′(x)∘∂y</c>, in place of ∂y.</summary>
internal sealed class ActivationOperation : TapeOperation
{
    public ActivationKind Kind { get; set; }

    public Variable Input { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        Activation.Backward(pass.Stream, Kind, Input.Value, Output.Value, outputGradient, outputGradient);
        pass.Contribute(Input, outputGradient);
    }
}
