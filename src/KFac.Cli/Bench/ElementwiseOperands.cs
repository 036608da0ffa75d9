using KFac.Kernels;

namespace KFac.Cli;

/// <summary>What the operations work on: numbers from 0 to 1, which stay finite however often an operation runs.</summary>
internal sealed class ElementwiseOperands
{
    public ElementwiseOperands(Arena arena, ElementwiseShape shape, ulong seed)
    {
        DeviceStream stream = arena.Device.DefaultStream;
        MatrixView<float>[] filled = new MatrixView<float>[4];
        for (int i = 0; i < filled.Length; i++)
        {
            filled[i] = arena.Matrix<float>(shape.Rows, shape.Columns);
            Philox.Uniform(stream, new PhiloxKey(seed, (ulong)i), 0, filled[i].AsVector());
        }

        (X, Y, Z, U) = (filled[0], filled[1], filled[2], filled[3]);
        Row = arena.Vector<float>(shape.Columns);
        Column = arena.Vector<float>(shape.Rows);
        Bias = arena.Vector<float>(shape.Columns);
        RowGradient = arena.Vector<float>(shape.Columns);
        BiasGradient = arena.Vector<float>(shape.Columns);
        Statistics = arena.Matrix<float>(shape.Rows, LayerNorm.StatisticsColumns);
        Labels = arena.Vector<int>(shape.Rows);
        Sampled = arena.Vector<int>(shape.Rows);
        Scalar = arena.Vector<double>(1);
        Count = arena.Vector<long>(1);
        stream.Upload(new int[shape.Rows], Labels);
        Philox.Uniform(stream, new PhiloxKey(seed, 4), 0, Row);
        Philox.Uniform(stream, new PhiloxKey(seed, 5), 0, Column);
        Philox.Uniform(stream, new PhiloxKey(seed, 6), 0, Bias);
        Images = ElementwiseImages.Of(shape);
        Order = arena.Vector<int>(shape.Rows);
        GroupStatistics = arena.Matrix<float>(2, shape.Columns);
        stream.Upload(Scattered(shape.Rows), Order);
        LayerNorm.Forward(stream, X, Row, Bias, 1e-5f, Y, Statistics);
        BatchNorm.Statistics(stream, X, shape.Rows, 1e-5f, GroupStatistics);
        Philox.Uniform(stream, new PhiloxKey(seed, 1), 0, Y.AsVector());
    }

    public MatrixView<float> X { get; }

    public MatrixView<float> Y { get; }

    public MatrixView<float> Z { get; }

    public MatrixView<float> U { get; }

    public VectorView<float> Row { get; }

    public VectorView<float> Column { get; }

    public VectorView<float> Bias { get; }

    public VectorView<float> RowGradient { get; }

    public VectorView<float> BiasGradient { get; }

    /// <summary>Of X, as layer normalisation leaves them.</summary>
    public MatrixView<float> Statistics { get; }

    public VectorView<int> Labels { get; }

    public VectorView<int> Sampled { get; }

    /// <summary>Rows as images.</summary>
    public ElementwiseImages Images { get; }

    /// <summary>Of X, as batch normalisation leaves them.</summary>
    public MatrixView<float> GroupStatistics { get; }

    /// <summary>Every row once, none beside the one before.</summary>
    public VectorView<int> Order { get; }

    public VectorView<double> Scalar { get; }

    public VectorView<long> Count { get; }

    /// <summary>The rows of an operand that pooling fills.</summary>
    public MatrixView<float> Pooled(MatrixView<float> operand) => operand.RowRange(0, Images.Count * Images.Window.Positions);

    /// <summary>Steps of about 0.6 of the rows, with no divisor in common with them.</summary>
    private static int[] Scattered(int rows)
    {
        long step = Math.Max(1, (long)(0.618 * rows));
        while (System.Numerics.BigInteger.GreatestCommonDivisor(step, rows) != 1)
        {
            step++;
        }

        return [.. Enumerable.Range(0, rows).Select(row => (int)(row * step % rows))];
    }
}

/// <summary>Rows as channels-last images, and the windows that pooling takes: two by two pixels, as far apart, of 32×32 where
/// the rows allow it; else of one image that is a pixel wide.</summary>
internal readonly record struct ElementwiseImages(int Count, ConvolutionShape Window)
{
    private const int Side = 32;

    public int Pixels => Window.Height * Window.Width;

    public static ElementwiseImages Of(ElementwiseShape shape)
    {
        bool square = shape.Rows % (Side * Side) == 0;
        (int height, int width) = square ? (Side, Side) : (shape.Rows, 1);
        var window = new ConvolutionShape
        {
            Channels = shape.Columns,
            Height = height,
            Width = width,
            KernelHeight = Math.Min(2, height),
            KernelWidth = Math.Min(2, width),
            Stride = 2,
        };
        return new ElementwiseImages(shape.Rows / (height * width), window);
    }
}
