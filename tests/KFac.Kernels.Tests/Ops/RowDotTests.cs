using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class RowDotTests
{
    /// <summary>One rounding to float32; the float64 sums before it err by less than 2⁻²⁹ of the sum of magnitudes.</summary>
    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64_to_one_rounding(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] xs = TestData.Uniform(shape.Length, 1);
            float[] ys = TestData.Uniform(shape.Length, 2);
            GuardedMatrix<float> x = shape.New(device, arena, xs, extraGap: 1);
            GuardedMatrix<float> y = shape.New(device, arena, ys);
            var result = new GuardedMatrix<float>(device.DefaultStream, arena, 1, shape.Rows, 0, shape.Offset);
            Reduction.RowDot(device.DefaultStream, x.View, y.View, -0.5f, result.View.AsVector());

            double[] x64 = TestData.ToDouble(xs);
            double[] y64 = TestData.ToDouble(ys);
            double[] expected = RowDotReference.Run(x64, y64, shape.Rows, shape.Columns, -0.5);
            double[] magnitude = RowDotReference.Run(
                Array.ConvertAll(x64, Math.Abs), Array.ConvertAll(y64, Math.Abs), shape.Rows, shape.Columns, 0.5);
            double[] tolerance = [.. expected.Zip(magnitude, (value, size) =>
                (ErrorBound.Gamma(1) * Math.Abs(value)) + (Math.ScaleB(1, -29) * size))];
            ErrorBound.AssertWithinAndSharp(result.Read(), expected, tolerance, $"row dots {shape}");
            x.AssertGuards();
            y.AssertGuards();
            result.AssertGuards();
            arena.Reset();
        }
    }

    [Fact]
    public void Threads_and_vectors_change_no_bit_and_a_nan_stays_in_its_row()
    {
        const int Rows = 97, Columns = 301;
        float[] xs = TestData.Uniform(Rows * Columns, 1);
        xs[(5 * Columns) + 299] = float.NaN;
        float[]? first = null;
        foreach (string key in TestDevice.CpuKeys.Append("cpu/Portable/1").Append("cpu/Portable/3"))
        {
            using Device device = TestDevice.Open(key);
            using var arena = new Arena(device);
            GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, Rows, Columns).Write(xs);
            var result = new GuardedMatrix<float>(device.DefaultStream, arena, 1, Rows);
            Reduction.RowDot(device.DefaultStream, x.View, x.View, 1f, result.View.AsVector());
            first ??= result.Read();
            Assert.Equal(first, result.Read());
        }

        Assert.Equal([5], Enumerable.Range(0, Rows).Where(row => float.IsNaN(first![row])));
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 3, 3).Write(TestData.Uniform(9, 1));
        var result = new GuardedMatrix<float>(stream, arena, 1, 3);
        result.Write([1, 2, 3]);
        VectorView<float> view = result.View.AsVector();
        Refusal.Of(() => Reduction.RowDot(stream, x.View, x.View.RowRange(0, 2), 1f, view), result);
        Refusal.Of(() => Reduction.RowDot(stream, x.View, x.View, 1f, view.Slice(0, 2)), result);
        Refusal.Of(() => Reduction.RowDot(stream, x.View, x.View, float.NaN, view), result);
        Refusal.Of(() => Reduction.RowDot(stream, x.View, x.View, 1f, x.View.Row(1)), x);
        Refusal.OfStaleViews(arena, () => Reduction.RowDot(stream, x.View, x.View, 1f, view));
    }
}
