using Xunit;

namespace KFac.Nn.Tests;

public class TensorShapeTests
{
    [Fact]
    public void Rows_are_everything_but_the_last_dimension()
    {
        TensorShape shape = TensorShape.Of(2, 3, 4, 5);
        Assert.Equal(4, shape.Rank);
        Assert.Equal(24, shape.Rows);
        Assert.Equal(5, shape.Columns);
        Assert.Equal(4, shape[2]);
        Assert.Equal("[2, 3, 4, 5]", shape.ToString());
        Assert.Equal(TensorShape.Of(2, 3, 4, 7), shape.WithColumns(7));
        Assert.NotEqual(TensorShape.Of(2, 12, 5), shape);
        Assert.Equal(TensorShape.Of(1, 2, 3, 4, 5, 6), TensorShape.Of(1, 2, 3, 4, 5, 6));
    }

    [Fact]
    public void Impossible_shapes_are_refused()
    {
        Assert.Throws<ArgumentException>(() => TensorShape.Of());
        Assert.Throws<ArgumentException>(() => TensorShape.Of(1, 1, 1, 1, 1, 1, 1));
        Assert.Throws<ArgumentException>(() => TensorShape.Of(2, -1));
        Assert.Throws<ArgumentException>(() => TensorShape.Of(1 << 16, 1 << 16));
        Assert.Throws<ArgumentOutOfRangeException>(() => TensorShape.Of(2, 3)[2]);
    }
}
