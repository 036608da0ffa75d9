using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Dropout (Srivastava et al. 2014): in training each element becomes 0 with probability <see cref="Rate"/>, and the others
/// are divided by <c>1 − Rate</c>; in evaluation nothing happens. Keeps every shape.</summary>
/// <remarks>The mask is made again in each backward pass from the tape's random key, so that curvature passes see the network
/// that the forward pass ran, and no memory is spent on it.</remarks>
public sealed class DropoutLayer : Module
{
    /// <summary>Makes the layer.</summary>
    /// <param name="rate">From 0 to less than 1.</param>
    public DropoutLayer(float rate)
    {
        if (!(rate >= 0 && rate < 1))
        {
            throw new ArgumentException($"The dropout rate is {rate}; wanted 0 to less than 1.", nameof(rate));
        }

        Rate = rate;
    }

    /// <summary>The share that is dropped.</summary>
    public float Rate { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (!tape.Training || Rate == 0)
        {
            return input;
        }

        MatrixView<float> x = input.Value;
        MatrixView<float> y = tape.Memory.Matrix<float>(x.Rows, x.Columns);
        DropoutOperation operation = tape.Rent<DropoutOperation>();
        operation.Input = input;
        operation.Rate = Rate;
        operation.Key = tape.NextRandomKey();
        Dropout.Apply(tape.Stream, operation.Key, Rate, x.Rows, x, y);
        return tape.Record(operation, y, input.Shape, input.Segments, input.NeedsGradient);
    }
}

/// <summary>The same mask on the gradient of every seed.</summary>
internal sealed class DropoutOperation : TapeOperation
{
    public Variable Input { get; set; }

    public float Rate { get; set; }

    public DeviceKey Key { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        Dropout.Apply(pass.Stream, Key, Rate, Input.Value.Rows, outputGradient, outputGradient);
        pass.Contribute(Input, outputGradient);
    }
}
