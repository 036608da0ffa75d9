using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="BatchNorm"/> on the GPU: batch_norm.cu.</summary>
internal sealed unsafe class CudaBatchNorm(CudaStream stream) : IBatchNormKernel
{
    private const string Module = "batch_norm";
    private const int Threads = 256;
    private const int Lanes = 32;
    private const int LeastChunk = 64;
    private const int MostChunks = 256;

    public void Statistics(MatrixView<float> x, int groupRows, float epsilon, MatrixView<float> statistics)
    {
        if (x.IsEmpty)
        {
            return;
        }

        using CudaScratch.Scope scratch = stream.Scratch.Open();
        var arguments = new BatchNormArguments(x, groupRows, statistics, ElementRange.ByRows(x.Rows, x)) { Epsilon = epsilon };
        arguments = Sum("sum_differences", scratch, arguments);
        Launch("finish_statistics", arguments, (long)arguments.Groups * x.Columns);
    }

    public void FromRunning(VectorView<float> mean, VectorView<float> variance, float epsilon, MatrixView<float> statistics)
    {
        var arguments = new BatchNormArguments(statistics, 1, statistics, ElementRange.ByRows(1, statistics))
        {
            First = (nint)mean.Pointer,
            Second = (nint)variance.Pointer,
            Epsilon = epsilon,
        };
        Launch("from_running", arguments, mean.Length);
    }

    public void UpdateRunning(
        MatrixView<float> statistics, int groupRows, float epsilon, float momentum, VectorView<float> mean, VectorView<float> variance)
    {
        var arguments = new BatchNormArguments(statistics, groupRows, statistics, ElementRange.ByRows(1, statistics))
        {
            First = (nint)mean.Pointer,
            Second = (nint)variance.Pointer,
            Epsilon = epsilon,
            Beta = momentum,
        };
        Launch("update_running", arguments, mean.Length);
    }

    public void Normalize(
        MatrixView<float> x, int groupRows, MatrixView<float> statistics, VectorView<float> gain, VectorView<float> bias, MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            ElementRange range = ElementRange.ByRows(y.Rows, x, y);
            var arguments = new BatchNormArguments(x, groupRows, statistics, range)
            {
                Gain = (nint)gain.Pointer,
                Bias = (nint)bias.Pointer,
                Y = (nint)y.Pointer,
                YStride = y.RowStride,
            };
            stream.Queue.Launch(Module, "normalize", range.Shape, arguments);
        }
    }

    public void Backward(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        bool constantStatistics)
    {
        if (inputGradient.IsEmpty)
        {
            return;
        }

        using CudaScratch.Scope scratch = stream.Scratch.Open();
        ElementRange range = ElementRange.ByRows(inputGradient.Rows, x, outputGradient, inputGradient);
        var arguments = new BatchNormArguments(x, groupRows, statistics, range)
        {
            Gain = (nint)gain.Pointer,
            Gradient = (nint)outputGradient.Pointer,
            GradientStride = outputGradient.RowStride,
            Y = (nint)inputGradient.Pointer,
            YStride = inputGradient.RowStride,
            Seeds = inputGradient.Rows / x.Rows,
        };
        if (!constantStatistics)
        {
            arguments = Sum("sum_gradients", scratch, arguments);
            long entries = (long)arguments.Seeds * arguments.Groups * x.Columns;
            arguments = arguments with { Means = scratch.Take(2 * entries * sizeof(float)) };
            Launch("finish_means", arguments, entries);
        }

        stream.Queue.Launch(Module, "backward", range.Shape, arguments);
    }

    public void ParameterGradients(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    {
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        var arguments = new BatchNormArguments(x, groupRows, statistics, ElementRange.ByRows(x.Rows, x))
        {
            Gradient = (nint)outputGradient.Pointer,
            GradientStride = outputGradient.RowStride,
            First = (nint)gainGradient.Pointer,
            Second = (nint)biasGradient.Pointer,
            Beta = beta,
        };
        if (!x.IsEmpty)
        {
            arguments = Sum("sum_gradients", scratch, arguments);
        }

        Launch("finish_parameter_gradients", arguments, x.Columns);
    }

    /// <summary>Leaves the sums of chunks; chunks, like the order of additions, follow from the shape alone.</summary>
    private BatchNormArguments Sum(string kernel, in CudaScratch.Scope scratch, BatchNormArguments arguments)
    {
        int groups = arguments.Seeds * arguments.Groups;
        int rows = Math.Min(arguments.GroupRows, arguments.Rows);
        int chunk = Math.Max(LeastChunk, LaunchShape.Cover(rows, Math.Max(1, MostChunks / groups)));
        int chunks = LaunchShape.Cover(rows, chunk);
        int slots = checked(groups * chunks);
        int columns = arguments.Range.Columns;
        arguments = arguments with { Chunk = chunk, Chunks = chunks, Partial = scratch.Take(2L * slots * columns * sizeof(double)) };
        var shape = new LaunchShape(LaunchShape.Cover(columns, Lanes), Math.Min(slots, LaunchShape.MaxGridYZ), 1, Lanes, Threads / Lanes);
        stream.Queue.Launch(Module, kernel, shape, arguments);
        return arguments;
    }

    private void Launch(string kernel, in BatchNormArguments arguments, long threads)
    {
        if (threads > 0)
        {
            stream.Queue.Launch(Module, kernel, LaunchShape.Row(LaunchShape.Cover(threads, Threads), Threads), arguments);
        }
    }
}

/// <summary>Mirrors <c>BatchNormArguments</c> of batch_norm.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct BatchNormArguments(MatrixView<float> x, int groupRows, MatrixView<float> statistics, ElementRange range)
{
    public readonly nint X = (nint)x.Pointer;

    public nint Gain { get; init; }

    public nint Bias { get; init; }

    public nint Gradient { get; init; }

    public readonly nint Statistics = (nint)statistics.Pointer;

    public nint Y { get; init; }

    public nint Partial { get; init; }

    public nint Means { get; init; }

    public nint First { get; init; }

    public nint Second { get; init; }

    public readonly long XStride = x.RowStride;

    public long GradientStride { get; init; }

    public readonly long StatisticsStride = statistics.RowStride;

    public long YStride { get; init; }

    public readonly ElementRange Range = range;
    public readonly int Rows = x.Rows;
    public readonly int GroupRows = groupRows;
    public readonly int Groups = statistics.Rows / 2;

    public int Seeds { get; init; } = 1;

    public int Chunk { get; init; }

    public int Chunks { get; init; }

    public float Epsilon { get; init; }

    public float Beta { get; init; }
}
