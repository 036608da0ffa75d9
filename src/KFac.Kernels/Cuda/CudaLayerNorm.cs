using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="LayerNorm"/> on the GPU: layer_norm.cu.</summary>
internal sealed unsafe class CudaLayerNorm(CudaStream stream) : ILayerNormKernel
{
    private const string Module = "layer_norm";
    private const int Threads = 256;
    private const int Lanes = 32;
    private const int LeastChunk = 64;
    private const int MostChunks = 256;

    public void Forward(
        MatrixView<float> x, VectorView<float> gain, VectorView<float> bias, float epsilon, MatrixView<float> y, MatrixView<float> statistics)
    {
        if (y.IsEmpty)
        {
            return;
        }

        ElementRange range = ElementRange.ByRows(x.Rows, x, y, AsRow(gain), AsRow(bias));
        RowGrid grid = RowGrid.Of(range);
        stream.Queue.Launch(
            Module,
            grid.ByWarps ? "forward_by_warps" : "forward_by_blocks",
            grid.Shape,
            new LayerNormArguments(x, statistics, default, y, range)
            {
                Gain = (nint)gain.Pointer,
                Bias = (nint)bias.Pointer,
                Epsilon = epsilon,
            });
    }

    public void Backward(
        MatrixView<float> x,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        if (inputGradient.IsEmpty)
        {
            return;
        }

        ElementRange range = ElementRange.ByRows(inputGradient.Rows, x, outputGradient, inputGradient, AsRow(gain));
        RowGrid grid = RowGrid.Of(range);
        stream.Queue.Launch(
            Module,
            grid.ByWarps ? "backward_by_warps" : "backward_by_blocks",
            grid.Shape,
            new LayerNormArguments(x, statistics, outputGradient, inputGradient, range) { Gain = (nint)gain.Pointer });
    }

    public void ParameterGradients(
        MatrixView<float> x,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    {
        if (gainGradient.IsEmpty)
        {
            return;
        }

        int chunk = Math.Max(LeastChunk, LaunchShape.Cover(x.Rows, MostChunks));
        int chunks = Math.Max(1, LaunchShape.Cover(x.Rows, chunk));
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        var arguments = new LayerNormArguments(x, statistics, outputGradient, default, ElementRange.ByRows(x.Rows, x))
        {
            Partial = chunks == 1 ? 0 : scratch.Take(2L * chunks * x.Columns * sizeof(double)),
            GainGradient = (nint)gainGradient.Pointer,
            BiasGradient = (nint)biasGradient.Pointer,
            Chunk = chunk,
            Beta = beta,
        };
        var shape = new LaunchShape(LaunchShape.Cover(x.Columns, Lanes), chunks, 1, Lanes, Threads / Lanes);
        stream.Queue.Launch(Module, "parameter_gradients", shape, arguments);
        if (chunks > 1)
        {
            LaunchShape gather = LaunchShape.Row(LaunchShape.Cover(2L * x.Columns, Threads), Threads);
            stream.Queue.Launch(Module, "gather_parameter_gradients", gather, arguments);
        }
    }

    private static MatrixView<float> AsRow(VectorView<float> vector) => vector.AsMatrix(1, vector.Length);
}

/// <summary>Mirrors <c>LayerNormArguments</c> of layer_norm.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct LayerNormArguments(
    MatrixView<float> x, MatrixView<float> statistics, MatrixView<float> gradient, MatrixView<float> output, ElementRange range)
{
    public readonly nint X = (nint)x.Pointer;

    public nint Gain { get; init; }

    public nint Bias { get; init; }

    public readonly nint Gradient = (nint)gradient.Pointer;
    public readonly nint Statistics = (nint)statistics.Pointer;
    public readonly nint Output = (nint)output.Pointer;

    public nint Partial { get; init; }

    public nint GainGradient { get; init; }

    public nint BiasGradient { get; init; }

    public readonly long XStride = x.RowStride;
    public readonly long GradientStride = gradient.RowStride;
    public readonly long StatisticsStride = statistics.RowStride;
    public readonly long OutputStride = output.RowStride;
    public readonly ElementRange Range = range;
    public readonly int Examples = x.Rows;

    public int Chunk { get; init; }

    public float Epsilon { get; init; }

    public float Beta { get; init; }
}
