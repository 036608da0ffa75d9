using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Fixup"/> on the GPU.</summary>
internal sealed unsafe class CudaFixup(CudaStream stream) : IFixupKernel
{
    private const string Module = "fixup";
    private const int Threads = 256;

    // Of passes that sum: enough to fill any GPU, few enough for one block to add.
    private const int MostBlocks = 1024;

    public void Activate(MatrixView<float> x, VectorView<float> before, VectorView<float> after, MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            ElementRange range = ElementRange.Of(x, y);
            stream.Queue.Launch(Module, "activate", range.Shape, new FixupArguments(x, default, default, y, range)
            {
                First = (nint)before.Pointer,
                Second = (nint)after.Pointer,
            });
        }
    }

    public void ActivateBackward(
        MatrixView<float> x, VectorView<float> before, MatrixView<float> outputGradient, MatrixView<float> inputGradient, in ScalarGradients sums) =>
        Backward("activate_backward", x, before, 1, outputGradient, inputGradient, sums);

    public void Join(
        MatrixView<float> skip, MatrixView<float> x, VectorView<float> multiplier, VectorView<float> bias, float scale, MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            ElementRange range = ElementRange.Of(x, skip, y);
            stream.Queue.Launch(Module, "join", range.Shape, new FixupArguments(x, skip, default, y, range)
            {
                First = (nint)multiplier.Pointer,
                Second = (nint)bias.Pointer,
                Scale = scale,
            });
        }
    }

    public void JoinBackward(
        MatrixView<float> x,
        VectorView<float> multiplier,
        float scale,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        in ScalarGradients sums) =>
        Backward("join_backward", x, multiplier, scale, outputGradient, inputGradient, sums);

    private void Backward(
        string kernel,
        MatrixView<float> x,
        VectorView<float> scalar,
        float scale,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        in ScalarGradients sums)
    {
        ElementRange range = inputGradient.Rows == x.Rows
            ? ElementRange.Of(x, outputGradient, inputGradient)
            : ElementRange.ByRows(inputGradient.Rows, x, outputGradient, inputGradient);
        int blocks = inputGradient.IsEmpty ? 0 : Math.Min(range.Shape.GridX, sums.AreWanted ? MostBlocks : int.MaxValue);
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        var arguments = new FixupArguments(x, default, outputGradient, inputGradient, range)
        {
            First = (nint)scalar.Pointer,
            Partial = sums.AreWanted ? scratch.Take(Math.Max(blocks, 1) * 2L * sizeof(double)) : 0,
            FirstGradient = (nint)sums.First.Pointer,
            SecondGradient = (nint)sums.Second.Pointer,
            Partials = blocks,
            Scale = scale,
            Beta = sums.Beta,
        };
        if (blocks > 0)
        {
            stream.Queue.Launch(Module, kernel, LaunchShape.Row(blocks, Threads), arguments);
        }

        if (sums.AreWanted)
        {
            stream.Queue.Launch(Module, "gather_scalars", LaunchShape.Row(1, Threads), arguments);
        }
    }
}

/// <summary>Mirrors <c>FixupArguments</c> of fixup.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct FixupArguments(
    MatrixView<float> x, MatrixView<float> skip, MatrixView<float> outputGradient, MatrixView<float> result, ElementRange range)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Skip = (nint)skip.Pointer;
    public readonly nint OutputGradient = (nint)outputGradient.Pointer;
    public readonly nint Result = (nint)result.Pointer;

    public nint First { get; init; }

    public nint Second { get; init; }

    public nint Partial { get; init; }

    public nint FirstGradient { get; init; }

    public nint SecondGradient { get; init; }

    public readonly long XStride = x.RowStride;
    public readonly long SkipStride = skip.RowStride;
    public readonly long OutputGradientStride = outputGradient.RowStride;
    public readonly long ResultStride = result.RowStride;
    public readonly ElementRange Range = range;
    public readonly int SeedRows = x.Rows;

    public int Partials { get; init; }

    public float Scale { get; init; }

    public float Beta { get; init; }
}
