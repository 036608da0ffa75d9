using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Pooling"/> on the CPU: rows of channels, a few rows a task.</summary>
/// <remarks>
/// Adjoints gather: a pixel's gradient is read from the outputs whose windows hold it, so no two tasks write one place.
/// Windows are gone through pixel by pixel for four vectors of channels at a time (<see cref="PoolingRow{TSimd, TVector}"/>).
/// </remarks>
internal sealed unsafe class CpuPooling(CpuDevice device) : IPoolingKernel
{
    public void Max(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y, MatrixView<float> places)
    {
        var context = new PoolingContext(shape, x, y) { Places = places.Pointer, PlaceStride = places.RowStride };
        Run(context, y.Rows, &Maxima<Simd512, Vector512<float>>, &Maxima<Simd256, Vector256<float>>, &Maxima<Simd128, Vector128<float>>);
    }

    public void MaxAdjoint(
        MatrixView<float> outputGradient, MatrixView<float> places, ConvolutionShape shape, float beta, MatrixView<float> inputGradient)
    {
        var context = new PoolingContext(shape, inputGradient, outputGradient)
        {
            Places = places.Pointer,
            PlaceStride = places.RowStride,
            PlaceRows = places.Rows,
            Beta = beta,
        };
        Run(context, inputGradient.Rows, &Adjoint<Simd512, Vector512<float>>, &Adjoint<Simd256, Vector256<float>>, &Adjoint<Simd128, Vector128<float>>);
    }

    public void Average(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y) => Run(
        new PoolingContext(shape, x, y), y.Rows, &Means<Simd512, Vector512<float>>, &Means<Simd256, Vector256<float>>, &Means<Simd128, Vector128<float>>);

    public void AverageAdjoint(MatrixView<float> outputGradient, ConvolutionShape shape, float beta, MatrixView<float> inputGradient) => Run(
        new PoolingContext(shape, inputGradient, outputGradient) { Beta = beta },
        inputGradient.Rows,
        &Adjoint<Simd512, Vector512<float>>,
        &Adjoint<Simd256, Vector256<float>>,
        &Adjoint<Simd128, Vector128<float>>);

    private static void Maxima<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref PoolingContext c = ref *(PoolingContext*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        bool past = c.GoesPast<TVector>(c.Y(0), c.YStride) && c.GoesPast<TVector>(c.Places, c.PlaceStride);
        for (int row = first; row < end; row++)
        {
            PoolingWindow window = c.WindowOf(row);
            float* pixels = c.X(window.Image, window.Top, window.Left);
            float* y = c.Y(row);
            float* places = c.Places + ((long)row * c.PlaceStride);
            int j = 0;
            for (; j + (4 * TSimd.Count) <= c.Columns; j += 4 * TSimd.Count)
            {
                PoolingRow<TSimd, TVector>.MaximaOfFour(ref c, window, pixels + j, past, y + j, places + j);
            }

            for (; j < c.Columns; j += TSimd.Count)
            {
                PoolingRow<TSimd, TVector>.Maxima(ref c, window, pixels + j, y + j, places + j, c.Columns - j);
            }
        }
    }

    private static void Means<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref PoolingContext c = ref *(PoolingContext*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        bool past = c.GoesPast<TVector>(c.Y(0), c.YStride);
        for (int row = first; row < end; row++)
        {
            PoolingWindow window = c.WindowOf(row);
            float* pixels = c.X(window.Image, window.Top, window.Left);
            float* y = c.Y(row);
            int j = 0;
            for (; j + (4 * TSimd.Count) <= c.Columns; j += 4 * TSimd.Count)
            {
                PoolingRow<TSimd, TVector>.MeansOfFour(ref c, window, pixels + j, past, y + j);
            }

            for (; j < c.Columns; j += TSimd.Count)
            {
                PoolingRow<TSimd, TVector>.Means(ref c, window, pixels + j, y + j, c.Columns - j);
            }
        }
    }

    /// <summary>Of maxima where there are places, else of means.</summary>
    private static void Adjoint<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref PoolingContext c = ref *(PoolingContext*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        bool past = c.Beta == 0 && c.GoesPast<TVector>(c.X(0, 0, 0), c.XStride);
        for (int row = first; row < end; row++)
        {
            int x = row % c.Width;
            int y = row / c.Width % c.Height;
            long image = row / c.Width / c.Height;
            float* gradient = c.X(image, y, x);
            PoolingOutputs outputs = c.OutputsOf(image, y + c.Padding, x + c.Padding);
            int j = 0;
            for (; j + (4 * TSimd.Count) <= c.Columns; j += 4 * TSimd.Count)
            {
                PoolingRow<TSimd, TVector>.GatherFour(ref c, outputs, j, past, gradient + j);
            }

            for (; j < c.Columns; j += TSimd.Count)
            {
                PoolingRow<TSimd, TVector>.Gather(ref c, outputs, j, gradient + j, c.Columns - j);
            }
        }
    }

    private void Run(
        PoolingContext context,
        int rows,
        delegate*<void*, int, void> wide,
        delegate*<void*, int, void> medium,
        delegate*<void*, int, void> narrow)
    {
        context.Rows = rows;
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => wide,
            VectorWidth.Avx2 => medium,
            _ => narrow,
        };
        device.Workers.Run(RowTasks.Count(rows, context.Columns), body, &context);
    }
}
