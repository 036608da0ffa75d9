using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public class FactorMathTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(13, 1, 7)]
    [InlineData(5, 4, 9)]
    [InlineData(3, 17, 33)]
    public void Uniform_factors_agree_with_float64(int examples, int sharing, int width)
    {
        foreach (SharingApproximation approximation in Enum.GetValues<SharingApproximation>())
        {
            int[] offsets = [.. Enumerable.Range(0, examples + 1).Select(n => n * sharing)];
            CheckBoth(offsets, sharing, isRagged: false, approximation, width);
        }
    }

    [Theory]
    [InlineData(new[] { 0, 3 }, 5)]
    [InlineData(new[] { 0, 0, 4, 4, 5, 21 }, 8)]
    [InlineData(new[] { 0, 7, 7 }, 17)]
    [InlineData(new[] { 0, 0, 0 }, 3)]
    public void Ragged_factors_agree_with_float64_and_empty_examples_count(int[] offsets, int width)
    {
        foreach (SharingApproximation approximation in Enum.GetValues<SharingApproximation>())
        {
            CheckBoth(offsets, sharing: 0, isRagged: true, approximation, width);
        }
    }

    [Fact]
    public void Without_sharing_expand_and_reduce_agree_to_the_bit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        LayerRows rows = FakeModel.Rows(device.DefaultStream, arena, 11, 1, 1, 6, 1);

        float[] expand = Input(device, arena, rows, SharingApproximation.Expand, true);
        float[] reduce = Input(device, arena, rows, SharingApproximation.Reduce, true);

        Assert.Equal(expand, reduce);
        Assert.Equal(1, expand[^1], 1e-6);
    }

    [Fact]
    public void Counts_that_do_not_describe_the_rows_are_refused_and_the_factor_is_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> rows = arena.Upload(6, 2, new float[12]);
        MatrixView<float> factor = arena.Upload(2, 2, [1, 2, 3, 4]);
        SegmentOffsets segments = SegmentOffsets.FromOffsets(stream, arena, [0, 2, 6]);
        (LayerRows Rows, string Message)[] cases =
        [
            (new LayerRows(rows, 0, 1, null, 1, 1), "0 examples; wanted at least 1"),
            (new LayerRows(rows, 4, 2, null, 1, 1), "a 6×2 matrix for 1 seeds of 8 rows; wanted 8×2"),
            (new LayerRows(rows, 3, 2, null, 2, 1), "wanted 12×2"),
            (new LayerRows(rows, 6, 0, null, 1, 1), "wanted a sharing of at least 1 without segments"),
            (new LayerRows(rows, 3, 0, segments, 1, 1), "3 examples, sharing 0 and 2 segments"),
            (new LayerRows(rows, 2, 3, segments, 1, 1), "2 examples, sharing 3 and 2 segments"),
            (new LayerRows(rows, 6, 1, null, 1, float.NaN), "scale NaN"),
        ];

        foreach ((LayerRows given, string message) in cases)
        {
            Exception exception = Assert.Throws<ArgumentException>(
                () => FactorMath.OutputFactor(stream, given, SharingApproximation.Reduce, factor));
            Assert.Contains(message, exception.Message, StringComparison.Ordinal);
            Assert.Throws<ArgumentException>(
                () => FactorMath.InputFactor(stream, given, SharingApproximation.Expand, false, factor));
        }

        Assert.Throws<ArgumentException>(
            () => FactorMath.InputFactor(stream, new LayerRows(rows, 6, 1, null, 1, 1), SharingApproximation.Expand, true, factor));
        Assert.Equal([1f, 2f, 3f, 4f], device.Read(factor));
    }

    private static void CheckBoth(int[] offsets, int sharing, bool isRagged, SharingApproximation approximation, int width)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        SegmentOffsets? segments = isRagged ? SegmentOffsets.FromOffsets(stream, arena, offsets) : null;
        var reference = new Reference.KroneckerFactors(offsets, isRagged, approximation == SharingApproximation.Reduce);
        string what = $"{approximation} ragged={isRagged} offsets=[{string.Join(",", offsets)}] width={width}";
        int rows = offsets[^1];
        int longest = offsets.Skip(1).Zip(offsets, (next, first) => next - first).Max();

        foreach (bool hasBias in new[] { false, true })
        {
            float[] x = TestData.Uniform(rows * width, 3);
            var inputs = new LayerRows(arena.Upload(rows, width, x), offsets.Length - 1, sharing, segments, 1, 1);
            float[] actual = Input(device, arena, inputs, approximation, hasBias);
            double[] expected = reference.Input(TestData.ToDouble(x), width, hasBias);
            double[] magnitude = reference.Input(Absolute(x), width, hasBias);
            ErrorBound.AssertWithinAndSharp(actual, expected, Tolerance(magnitude, rows, longest), $"A {what} bias={hasBias}");
        }

        foreach (int seeds in new[] { 1, 3 })
        {
            const float Scale = 4.5f;
            const int Samples = 3;
            float[] g = TestData.Uniform(seeds * rows * width, 5);
            MatrixView<float> factor = arena.Upload(width, width, Enumerable.Repeat(float.NaN, width * width).ToArray());
            var gradients = new LayerRows(arena.Upload(seeds * rows, width, g), offsets.Length - 1, sharing, segments, seeds, Scale);
            FactorMath.OutputFactor(stream, gradients, approximation, factor, Samples);
            double[] expected = reference.Output(TestData.ToDouble(g), width, seeds, Scale, Samples);
            double[] magnitude = reference.Output(Absolute(g), width, seeds, Scale, Samples);
            ErrorBound.AssertWithinAndSharp(
                device.Read(factor), expected, Tolerance(magnitude, seeds * rows, longest), $"B {what} seeds={seeds}");
        }
    }

    /// <summary>The bound of the Gram operation, and one rounding of alpha.</summary>
    private static double[] Tolerance(double[] magnitude, int rows, int longest) =>
        [.. magnitude.Select(value => ErrorBound.Gamma(rows + 3 + (2 * (longest + 1))) * value)];

    private static float[] Input(Device device, Arena arena, LayerRows rows, SharingApproximation approximation, bool hasBias)
    {
        int width = rows.Rows.Columns + (hasBias ? 1 : 0);
        MatrixView<float> factor = arena.Upload(width, width, Enumerable.Repeat(float.NaN, width * width).ToArray());
        FactorMath.InputFactor(device.DefaultStream, rows, approximation, hasBias, factor);
        return device.Read(factor);
    }

    private static double[] Absolute(float[] values) => [.. values.Select(value => Math.Abs((double)value))];
}
