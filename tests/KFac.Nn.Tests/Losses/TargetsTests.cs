using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class TargetsTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(-2)]
    public void The_first_label_out_of_range_is_named(int bad)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => Targets.FromLabels(device.DefaultStream, arena, [0, 2, -1, bad, bad], 3));
        Assert.Contains($"Label 3 is {bad}; wanted 0 to 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Targets_of_another_kind_or_shape_are_refused()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> outputs = arena.Matrix<float>(4, 3);
        Targets values = Targets.Of(arena.Matrix<float>(4, 2));
        Targets labels = Targets.Of(arena.Vector<int>(3));
        Assert.Contains("values of 4×2", Refused(new CrossEntropyLoss(), values), StringComparison.Ordinal);
        Assert.Contains("3 labels; wanted 4 labels", Refused(new CrossEntropyLoss(), labels), StringComparison.Ordinal);
        Assert.Contains("wanted values of 4×3", Refused(new SquaredErrorLoss(), values), StringComparison.Ordinal);
        Assert.Contains("3 labels; wanted values of 4×3", Refused(new BernoulliLoss(), labels), StringComparison.Ordinal);

        string Refused(Loss loss, Targets targets) =>
            Assert.Throws<ArgumentException>(() => loss.Evaluate(stream, arena, outputs, targets)).Message;
    }

    [Fact]
    public void A_precision_that_is_no_precision_is_refused()
    {
        Assert.Contains("2×1", Refused(new double[2, 1]), StringComparison.Ordinal);
        Assert.Contains("(0, 1) and (1, 0)", Refused(new double[,] { { 1, 0.5 }, { 0.4, 1 } }), StringComparison.Ordinal);
        Assert.Contains("pivot 1", Refused(new double[,] { { 1, 2 }, { 2, 1 } }), StringComparison.Ordinal);
        Assert.Contains("finite", Refused(new double[,] { { 1, double.NaN }, { double.NaN, 1 } }), StringComparison.Ordinal);

        static string Refused(double[,] precision) =>
            Assert.Throws<ArgumentException>(() => new SquaredErrorLoss(precision)).Message;
    }

    [Fact]
    public void A_precision_of_another_width_is_refused()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var loss = new SquaredErrorLoss(new double[,] { { 1, 0 }, { 0, 1 } });
        MatrixView<float> outputs = arena.Matrix<float>(4, 3);
        Elementwise.Fill(device.DefaultStream, 0, outputs);
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => loss.Evaluate(device.DefaultStream, arena, outputs, Targets.Of(outputs)));
        Assert.Contains("2×2 precision", error.Message, StringComparison.Ordinal);
    }
}
