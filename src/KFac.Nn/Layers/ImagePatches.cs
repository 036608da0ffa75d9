using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Cuts images into square patches that don't overlap: [M, H, W, C] becomes [M, (H/p)·(W/p), C·p·p].</summary>
/// <remarks>A patch's elements are ordered channel, row, column, as a convolution's weight flattens: a linear layer behind this one is a
/// convolution with kernel and stride p.</remarks>
public sealed class ImagePatches : Module
{
    private static readonly int[] s_order = [0, 1, 3, 5, 2, 4];

    /// <summary>Makes the module.</summary>
    /// <param name="size">p, at least 1.</param>
    public ImagePatches(int size)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        Size = size;
    }

    /// <summary>p.</summary>
    public int Size { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        TensorShape shape = input.Shape;
        if (shape.Rank != 4 || shape[1] % Size != 0 || shape[2] % Size != 0)
        {
            throw new ArgumentException(
                $"Patches of {Size}×{Size} are to be cut from {shape}; wanted [M, H, W, C] with H and W divisible by {Size}.", nameof(input));
        }

        (int down, int across, int channels) = (shape[1] / Size, shape[2] / Size, shape[3]);
        MatrixView<float> y = tape.Memory.Matrix<float>(shape[0] * down * across, channels * Size * Size);
        Permute.Run(tape.Stream, input.Value.AsVector(), [shape[0], down, Size, across, Size, channels], s_order, y.AsVector());
        ImagePatchesOperation operation = tape.Rent<ImagePatchesOperation>();
        operation.Input = input;
        operation.Size = Size;
        return tape.Record(operation, y, TensorShape.Of(shape[0], down * across, y.Columns), null, input.NeedsGradient);
    }
}

/// <summary>Puts the gradients of patches back in their places.</summary>
internal sealed class ImagePatchesOperation : TapeOperation
{
    private static readonly int[] s_order = [0, 1, 4, 2, 5, 3];

    public Variable Input { get; set; }

    public int Size { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        TensorShape shape = Input.Shape;
        MatrixView<float> gradient = pass.Scratch(pass.Seeds * Input.Value.Rows, Input.Value.Columns);
        Permute.Run(
            pass.Stream,
            outputGradient.AsVector(),
            [pass.Seeds * shape[0], shape[1] / Size, shape[2] / Size, shape[3], Size, Size],
            s_order,
            gradient.AsVector());
        pass.Release(outputGradient);
        pass.Contribute(Input, gradient);
    }
}
