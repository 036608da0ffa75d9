using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One recorded operation: knows its inputs and how gradients flow back to them.</summary>
/// <remarks>Instances are rented from the tape (<see cref="Tape.Rent{T}"/>), filled, and recorded; the tape takes them
/// back when it is reset. They hold no memory of their own.</remarks>
public abstract class TapeOperation
{
    /// <summary>What the operation made; set when it is recorded.</summary>
    public Variable Output { get; internal set; }

    /// <summary>Passes the gradient of <see cref="Output"/> on to the inputs that need one.</summary>
    /// <param name="outputGradient">[S·rows, columns], seeds outermost. The operation owns it: it may overwrite it,
    /// and hands it down (<see cref="BackwardPass.Contribute"/>) or gives it back (<see cref="BackwardPass.Release"/>).</param>
    protected internal abstract void Backward(BackwardPass pass, MatrixView<float> outputGradient);

    /// <summary>Hands over the input of a layer with Kronecker factors; other operations hand over nothing.</summary>
    protected internal virtual void CaptureInputs(ICaptureSink sink)
    {
    }
}
