using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Pooling"/> on the CPU: rows of channels, a few rows a task.</summary>
/// <remarks>Adjoints gather: a pixel's gradient is read from the outputs whose windows hold it, so no two tasks write one place.</remarks>
internal sealed unsafe class CpuPooling(CpuDevice device) : IPoolingKernel
{
    public void Max(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y, MatrixView<float> places)
    {
        var context = new Context(shape, x, y) { Places = places.Pointer, PlaceStride = places.RowStride };
        Run(context, y.Rows, &Maxima<Simd512, Vector512<float>>, &Maxima<Simd256, Vector256<float>>, &Maxima<Simd128, Vector128<float>>);
    }

    public void MaxAdjoint(
        MatrixView<float> outputGradient, MatrixView<float> places, ConvolutionShape shape, float beta, MatrixView<float> inputGradient)
    {
        var context = new Context(shape, inputGradient, outputGradient)
        {
            Places = places.Pointer,
            PlaceStride = places.RowStride,
            PlaceRows = places.Rows,
            Beta = beta,
        };
        Run(context, inputGradient.Rows, &Adjoint<Simd512, Vector512<float>>, &Adjoint<Simd256, Vector256<float>>, &Adjoint<Simd128, Vector128<float>>);
    }

    public void Average(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y) => Run(
        new Context(shape, x, y), y.Rows, &Means<Simd512, Vector512<float>>, &Means<Simd256, Vector256<float>>, &Means<Simd128, Vector128<float>>);

    public void AverageAdjoint(MatrixView<float> outputGradient, ConvolutionShape shape, float beta, MatrixView<float> inputGradient) => Run(
        new Context(shape, inputGradient, outputGradient) { Beta = beta },
        inputGradient.Rows,
        &Adjoint<Simd512, Vector512<float>>,
        &Adjoint<Simd256, Vector256<float>>,
        &Adjoint<Simd128, Vector128<float>>);

    private static void Maxima<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        for (int row = first; row < end; row++)
        {
            Window window = c.WindowOf(row);
            float* pixels = c.X(window.Image, window.Top, window.Left);
            for (int j = 0; j < c.Columns; j += TSimd.Count)
            {
                int left = c.Columns - j;
                TVector best = TSimd.Create(float.NegativeInfinity);
                TVector place = TSimd.Create(window.FirstPlace);
                for (int y = window.Top; y < window.Bottom; y++)
                {
                    float* pixel = pixels + ((y - window.Top) * c.LineStride) + j;
                    for (int x = window.Left; x < window.Right; x++, pixel += c.XStride)
                    {
                        TVector value = SimdPart<TSimd, TVector>.Load(pixel, left);
                        TVector here = TSimd.Create(((y - window.Y) * c.KernelWidth) + x - window.X);
                        TVector larger = TSimd.Select(TSimd.LessOrEqual(value, best), TSimd.Zero, TSimd.LessOrEqual(best, best));
                        place = TSimd.Select(larger, here, place);
                        best = TSimd.Select(larger, value, best);
                    }
                }

                SimdPart<TSimd, TVector>.Store(best, c.Y(row) + j, left);
                SimdPart<TSimd, TVector>.Store(place, c.Places + ((long)row * c.PlaceStride) + j, left);
            }
        }
    }

    private static void Means<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        TVector scale = TSimd.Create(c.Scale);
        bool past = c.GoesPast<TVector>(c.Y(0), c.YStride);
        for (int row = first; row < end; row++)
        {
            Window window = c.WindowOf(row);
            float* pixels = c.X(window.Image, window.Top, window.Left);
            for (int j = 0; j < c.Columns; j += TSimd.Count)
            {
                int left = c.Columns - j;
                TVector sum = TSimd.Zero;
                for (int y = window.Top; y < window.Bottom; y++)
                {
                    float* pixel = pixels + ((y - window.Top) * c.LineStride) + j;
                    for (int x = window.Left; x < window.Right; x++, pixel += c.XStride)
                    {
                        sum = TSimd.Add(sum, SimdPart<TSimd, TVector>.Load(pixel, left));
                    }
                }

                SimdPart<TSimd, TVector>.Store(past, TSimd.Multiply(scale, sum), c.Y(row) + j, left);
            }
        }
    }

    /// <summary>Of maxima where there are places, else of means.</summary>
    private static void Adjoint<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        TVector beta = TSimd.Create(c.Beta);
        bool past = c.Beta == 0 && c.GoesPast<TVector>(c.X(0, 0, 0), c.XStride);
        for (int row = first; row < end; row++)
        {
            int x = row % c.Width;
            int y = row / c.Width % c.Height;
            long image = row / c.Width / c.Height;
            float* gradient = c.X(image, y, x);
            Outputs outputs = c.OutputsOf(image, y + c.Padding, x + c.Padding);
            for (int j = 0; j < c.Columns; j += TSimd.Count)
            {
                int left = c.Columns - j;
                TVector sum = c.Gather<TSimd, TVector>(outputs, j, left);
                if (c.Beta != 0)
                {
                    sum = TSimd.MultiplyAdd(beta, SimdPart<TSimd, TVector>.Load(gradient + j, left), sum);
                }

                SimdPart<TSimd, TVector>.Store(past, sum, gradient + j, left);
            }
        }
    }

    private void Run(
        Context context,
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

    /// <summary>The part of a window that lies in the image.</summary>
    /// <param name="Y">Row of the window's first element, inside or not.</param>
    /// <param name="X">Column of it.</param>
    private readonly record struct Window(long Image, int Y, int X, int Top, int Bottom, int Left, int Right, int FirstPlace);

    /// <summary>The outputs whose windows hold a pixel at a row and a column of the padded image.</summary>
    /// <param name="First">The first output of the image.</param>
    /// <param name="FirstPlace">The first row of places of the image.</param>
    private readonly record struct Outputs(long First, long FirstPlace, int Row, int Column, int Top, int Bottom, int Left, int Right);

    private struct Context(ConvolutionShape shape, MatrixView<float> x, MatrixView<float> y)
    {
        public readonly int Columns = shape.Channels;
        public readonly int Height = shape.Height;
        public readonly int Width = shape.Width;
        public readonly int Padding = shape.Padding;
        public readonly int KernelWidth = shape.KernelWidth;
        public readonly float Scale = 1f / (shape.KernelHeight * shape.KernelWidth);
        public readonly long XStride = x.RowStride;
        public readonly long YStride = y.RowStride;
        public readonly long LineStride = shape.Width * x.RowStride;
        public float* Places;
        public long PlaceStride;
        public int PlaceRows;
        public float Beta;
        public int Rows;
        private readonly int _kernelHeight = shape.KernelHeight;
        private readonly int _stride = shape.Stride;
        private readonly int _outputHeight = shape.OutputHeight;
        private readonly int _outputWidth = shape.OutputWidth;
        private readonly int _imageRows = x.Rows;
        private readonly float* _x = x.Pointer;
        private readonly float* _y = y.Pointer;

        public readonly float* X(long image, int row, int column) => _x + ((((image * Height) + row) * Width) + column) * XStride;

        public readonly float* Y(long row) => _y + (row * YStride);

        /// <summary>Whether images too large for the caches leave no room there for what is written.</summary>
        public readonly bool GoesPast<TVector>(float* start, long stride)
            where TVector : unmanaged => ElementLoop.GoesPast<TVector>(start, stride, _imageRows, Columns);

        public readonly Window WindowOf(int row)
        {
            int left = (row % _outputWidth * _stride) - Padding;
            int top = (row / _outputWidth % _outputHeight * _stride) - Padding;
            (int firstX, int firstY) = (Math.Max(0, left), Math.Max(0, top));
            return new Window(
                row / _outputWidth / _outputHeight,
                top,
                left,
                firstY,
                Math.Min(Height, top + _kernelHeight),
                firstX,
                Math.Min(Width, left + KernelWidth),
                ((firstY - top) * KernelWidth) + firstX - left);
        }

        public readonly Outputs OutputsOf(long image, int row, int column)
        {
            long outputs = (long)_outputHeight * _outputWidth;
            return new Outputs(
                image * outputs,
                PlaceRows == 0 ? 0 : image * outputs % PlaceRows,
                row,
                column,
                row < _kernelHeight ? 0 : ((row - _kernelHeight) / _stride) + 1,
                Math.Min(_outputHeight - 1, row / _stride),
                column < KernelWidth ? 0 : ((column - KernelWidth) / _stride) + 1,
                Math.Min(_outputWidth - 1, column / _stride));
        }

        /// <summary>The sum of the outputs' gradients, of those only whose place the pixel is where there are places.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly TVector Gather<TSimd, TVector>(in Outputs outputs, int j, int left)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector sum = TSimd.Zero;
            for (int y = outputs.Top; y <= outputs.Bottom; y++)
            {
                for (int x = outputs.Left; x <= outputs.Right; x++)
                {
                    long output = ((long)y * _outputWidth) + x;
                    TVector gradient = SimdPart<TSimd, TVector>.Load(Y(outputs.First + output) + j, left);
                    if (Places == null)
                    {
                        sum = TSimd.MultiplyAdd(TSimd.Create(Scale), gradient, sum);
                        continue;
                    }

                    float* places = Places + ((outputs.FirstPlace + output) * PlaceStride) + j;
                    TVector here = TSimd.Create(((outputs.Row - (y * _stride)) * KernelWidth) + outputs.Column - (x * _stride));
                    TVector distance = TSimd.Abs(TSimd.Subtract(SimdPart<TSimd, TVector>.Load(places, left), here));
                    sum = TSimd.Add(sum, TSimd.Select(TSimd.Less(distance, TSimd.Create(0.5f)), gradient, TSimd.Zero));
                }
            }

            return sum;
        }
    }
}
