using Xunit;

namespace KFac.Kernels.Tests.Cpu;

/// <summary>Results too large for the caches are stored past them, some by loops of their own: their bits are those of the same
/// operation on a few rows at a time, the ends of rows that fill no vector included.</summary>
public sealed class StreamedResultsTests
{
    private const int Images = 329;
    private const int Side = 5;
    private const int Rows = Images * Side * Side;
    private const int Columns = 1021;
    private const int Stride = 1024;
    private const int ImagesAtOnce = 7;
    private const int Piece = ImagesAtOnce * Side * Side;

    private static readonly ConvolutionShape _window =
        new() { Channels = Columns, Height = Side, Width = Side, KernelHeight = 2, KernelWidth = 2, Stride = 2 };

    private delegate void RowsOperation(int first, int count, MatrixView<float> y);

    [Theory]
    [InlineData(VectorWidth.Portable)]
    [InlineData(VectorWidth.Avx2)]
    [InlineData(VectorWidth.Avx512)]
    public void BitsAreThoseOfFewRows(VectorWidth width)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { MaxVectorWidth = width, Threads = 2 });
        DeviceStream stream = device.DefaultStream;
        using var arena = new Arena(device);
        MatrixView<float> x = Numbers(arena, 0), z = Numbers(arena, 1), y = Numbers(arena, 2), pieces = Numbers(arena, 3);
        VectorView<float> gain = Vector(arena, Columns, 4), bias = Vector(arena, Columns, 5), losses = arena.Vector<float>(Rows);
        MatrixView<float> statistics = arena.Matrix<float>(Rows, LayerNorm.StatisticsColumns), batch = arena.Matrix<float>(2, Columns);
        VectorView<int> labels = arena.Vector<int>(Rows);
        stream.Upload(Enumerable.Range(0, Rows).Select(static row => row % 5 == 0 ? -1 : row * 7 % Columns).ToArray(), labels);
        BatchNorm.Statistics(stream, x, Rows, 1e-5f, batch);

        Same("softmax", y, pieces, (first, count, to) => SoftmaxCrossEntropy.Forward(
            stream, x.RowRange(first, count), labels.Slice(first, count), to, losses.Slice(first, count), 0.1f));
        Same("layer norm", y, pieces, (first, count, to) => LayerNorm.Forward(
            stream, x.RowRange(first, count), gain, bias, 1e-5f, to, statistics.RowRange(first, count)));
        Same("layer norm backward", y, pieces, (first, count, to) => LayerNorm.Backward(
            stream, x.RowRange(first, count), statistics.RowRange(first, count), gain, z.RowRange(first, count), to));
        Same("batch norm", y, pieces, (first, count, to) => BatchNorm.Normalize(stream, x.RowRange(first, count), count, batch, gain, bias, to));
        Same("batch norm backward", y, pieces, (first, count, to) => BatchNorm.Backward(
            stream, x.RowRange(first, count), count, batch, gain, z.RowRange(first, count), to, constantStatistics: true));

        MatrixView<float> pooled = Pooled(arena), places = Pooled(arena), means = Pooled(arena);
        Pooling.Max(stream, x, _window, pooled, places);
        Same("max pool backward", y, pieces, (first, count, to) => Pooling.MaxAdjoint(
            stream, Part(pooled, first, count), Part(places, first, count), _window, 0, to));
        Pooling.Average(stream, x, _window, pooled);
        for (int first = 0; first < Rows; first += Piece)
        {
            Pooling.Average(stream, x.RowRange(first, Piece), _window, Part(means, first, Piece));
        }

        AssertSame("average pool", pooled, means);
        Same("average pool backward", y, pieces, (first, count, to) => Pooling.AverageAdjoint(stream, Part(pooled, first, count), _window, 0, to));

        VectorView<int> order = arena.Vector<int>(Rows);
        stream.Upload(Enumerable.Range(0, Rows).Select(static row => (int)(row * 5003L % Rows)).ToArray(), order);
        RowGather.ScatterAdd(stream, x, order, 0, y);
        RowGather.Gather(stream, y, order, pieces);
        AssertSame("scattered and gathered", x, pieces);
    }

    private static void Same(string what, MatrixView<float> y, MatrixView<float> pieces, RowsOperation operation)
    {
        operation(0, Rows, y);
        for (int first = 0; first < Rows; first += Piece)
        {
            operation(first, Math.Min(Piece, Rows - first), pieces.RowRange(first, Math.Min(Piece, Rows - first)));
        }

        AssertSame(what, y, pieces);
    }

    private static void AssertSame(string what, MatrixView<float> left, MatrixView<float> right)
    {
        for (int row = 0; row < left.Rows; row++)
        {
            Assert.True(Row(left, row).SequenceEqual(Row(right, row)), $"{what}: row {row} differs.");
        }
    }

    private static unsafe ReadOnlySpan<float> Row(MatrixView<float> matrix, int row) =>
        new(matrix.Pointer + (row * matrix.RowStride), matrix.Columns);

    private static MatrixView<float> Part(MatrixView<float> pooled, int first, int count) =>
        pooled.RowRange(first / (Side * Side) * _window.Positions, count / (Side * Side) * _window.Positions);

    private static MatrixView<float> Pooled(Arena arena) =>
        arena.Matrix<float>(Images * _window.Positions, Stride).Slice(0, 0, Images * _window.Positions, Columns);

    private static MatrixView<float> Numbers(Arena arena, ulong sequence)
    {
        MatrixView<float> all = arena.Matrix<float>(Rows, Stride);
        Philox.Normal(arena.Device.DefaultStream, new PhiloxKey(0, sequence), 0, all.AsVector());
        return all.Slice(0, 0, Rows, Columns);
    }

    private static VectorView<float> Vector(Arena arena, int length, ulong sequence)
    {
        VectorView<float> vector = arena.Vector<float>(length);
        Philox.Uniform(arena.Device.DefaultStream, new PhiloxKey(0, sequence), 0, vector);
        return vector;
    }
}
