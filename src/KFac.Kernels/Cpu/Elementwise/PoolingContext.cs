namespace KFac.Kernels.Cpu;

/// <summary>The part of a window that lies in the image.</summary>
/// <param name="Y">Row of the window's first element, inside or not.</param>
/// <param name="X">Column of it.</param>
/// <param name="FirstPlace">The place of the first element inside.</param>
internal readonly record struct PoolingWindow(long Image, int Y, int X, int Top, int Bottom, int Left, int Right, int FirstPlace);

/// <summary>The outputs whose windows hold a pixel at a row and a column of the padded image.</summary>
/// <param name="First">The first output of the image.</param>
/// <param name="FirstPlace">The first row of places of the image.</param>
internal readonly record struct PoolingOutputs(long First, long FirstPlace, int Row, int Column, int Top, int Bottom, int Left, int Right);

/// <summary>What the tasks of a pooling kernel share.</summary>
/// <param name="x">The images, or their gradients.</param>
/// <param name="y">The outputs, or their gradients.</param>
internal unsafe struct PoolingContext(ConvolutionShape shape, MatrixView<float> x, MatrixView<float> y)
{
    public readonly int Columns = shape.Channels;
    public readonly int Height = shape.Height;
    public readonly int Width = shape.Width;
    public readonly int Padding = shape.Padding;
    public readonly int KernelWidth = shape.KernelWidth;
    public readonly int Stride = shape.Stride;
    public readonly int OutputWidth = shape.OutputWidth;
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
    private readonly int _outputHeight = shape.OutputHeight;
    private readonly int _imageRows = x.Rows;
    private readonly float* _x = x.Pointer;
    private readonly float* _y = y.Pointer;

    public readonly float* X(long image, int row, int column) => _x + (((((image * Height) + row) * Width) + column) * XStride);

    public readonly float* Y(long row) => _y + (row * YStride);

    /// <summary>Whether images too large for the caches leave no room there for what is written.</summary>
    public readonly bool GoesPast<TVector>(float* start, long stride)
        where TVector : unmanaged => ElementLoop.GoesPast<TVector>(start, stride, _imageRows, Columns);

    public readonly PoolingWindow WindowOf(int row)
    {
        int left = (row % OutputWidth * Stride) - Padding;
        int top = (row / OutputWidth % _outputHeight * Stride) - Padding;
        (int firstX, int firstY) = (Math.Max(0, left), Math.Max(0, top));
        return new PoolingWindow(
            row / OutputWidth / _outputHeight,
            top,
            left,
            firstY,
            Math.Min(Height, top + _kernelHeight),
            firstX,
            Math.Min(Width, left + KernelWidth),
            ((firstY - top) * KernelWidth) + firstX - left);
    }

    public readonly PoolingOutputs OutputsOf(long image, int row, int column)
    {
        long outputs = (long)_outputHeight * OutputWidth;
        return new PoolingOutputs(
            image * outputs,
            PlaceRows == 0 ? 0 : image * outputs % PlaceRows,
            row,
            column,
            row < _kernelHeight ? 0 : ((row - _kernelHeight) / Stride) + 1,
            Math.Min(_outputHeight - 1, row / Stride),
            column < KernelWidth ? 0 : ((column - KernelWidth) / Stride) + 1,
            Math.Min(OutputWidth - 1, column / Stride));
    }
}
