using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ViewTests
{
    [Fact]
    public void SlicesSeeTheirElements()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        MatrixView<int> matrix = arena.Matrix<int>(4, 6);
        device.DefaultStream.Upload([.. Enumerable.Range(0, 24)], matrix);
        MatrixView<int> block = matrix.Slice(1, 2, 2, 3);
        Assert.Equal([8, 9, 10, 14, 15, 16], Read(device, block));
        Assert.Equal([15, 16], Read(device, block.Slice(1, 1, 1, 2)));
        Assert.Equal([12, 13, 14, 15, 16, 17], Read(device, matrix.RowRange(2, 1)));
        Assert.Equal(6, block.RowStride);
        Assert.False(block.IsContiguous);
        Assert.True(block.RowRange(1, 1).IsContiguous);
        Assert.Equal("2×3 (row stride 6)", block.ToString());
        Assert.Equal("4×6", matrix.ToString());
        Assert.Equal([14, 15], Read(device, block.Row(1).Slice(0, 2).AsMatrix(2, 1)));
        Assert.Equal(matrix.AsVector().Length, matrix.Reshape(3, 8).AsVector().Length);
    }

    [Fact]
    public void SlicesStayInside()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        MatrixView<float> matrix = arena.Matrix<float>(4, 6);
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Slice(0, 0, 5, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Slice(3, 5, 1, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Slice(-1, 0, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Slice(1, 0, int.MaxValue, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.Row(4));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.AsVector().Slice(20, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => matrix.AsVector().Slice(1, int.MaxValue));
        Assert.Throws<ArgumentException>(() => matrix.Reshape(5, 5));
        Assert.Throws<InvalidOperationException>(() => matrix.Slice(0, 0, 4, 5).AsVector());
        Assert.Equal(0, matrix.Slice(4, 6, 0, 0).Rows);
    }

    [Fact]
    public void ARowIsInPlaceWhateverItsStride()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        MatrixView<float> matrix = arena.Matrix<float>(2, 6);
        device.DefaultStream.Upload(new float[12], matrix);
        Elementwise.Axpby(device.DefaultStream, 1, matrix.Slice(1, 0, 1, 3), 1, matrix.Row(1).Slice(0, 3).AsMatrix(1, 3));
    }

    private static int[] Read(Device device, MatrixView<int> view)
    {
        var values = new int[view.Rows * view.Columns];
        device.DefaultStream.Download(view, values);
        return values;
    }
}
