using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ClippingTests
{
    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Divergence_is_kept_in_bounds(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (int count in new[] { 0, 1, 2, 17, 300 })
        {
            foreach (double rate in new[] { 0, 0.01, 3 })
            {
                double[] products = [.. TestData.Uniform(count, 1).Select(x => (double)x)];
                VectorView<float> factor = arena.Vector<float>(1);
                Clipping.ByDivergence(stream, Upload(stream, arena, products), Upload(stream, arena, rate), 1e-3, factor);
                AssertFactor(stream.Read(factor), ClippingReference.ByDivergence(products, rate, 1e-3));
            }
        }

        // One NaN, an infinity, and a sum below 0.
        foreach ((double[] products, float expected) in new[] { (new[] { 1, double.NaN }, 1f), ([1, double.PositiveInfinity], 0f), ([1, -2], 1f) })
        {
            VectorView<float> factor = arena.Vector<float>(1);
            Clipping.ByDivergence(stream, Upload(stream, arena, products), Upload(stream, arena, 1), 1e-3, factor);
            Assert.Equal(expected, stream.Read(factor));
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_factor_is_applied_to_every_element_and_a_factor_of_one_to_none(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<float> factor = arena.Vector<float>(1);
        foreach ((int rows, int columns) in new[] { (0, 3), (1, 1), (3, 7), (5, 64), (33, 129), (1, 40_003) })
        {
            foreach (int gap in new[] { 0, 3 })
            {
                float[] values = TestData.Uniform(rows * columns, 1);
                GuardedMatrix<float> y = new GuardedMatrix<float>(stream, arena, rows, columns, gap, 1).Write(values);
                stream.Upload<float>([1f], factor);
                Clipping.Apply(stream, factor, y.View);
                Assert.Equal(values, y.Read());
                stream.Upload<float>([0.3f], factor);
                Clipping.Apply(stream, factor, y.View);
                double[] expected = Array.ConvertAll(values, v => 0.3f * (double)v);
                ErrorBound.AssertWithinAndSharp(
                    y.Read(), expected, Array.ConvertAll(expected, v => ErrorBound.Gamma(1) * Math.Abs(v)), $"{rows}×{columns}");
                y.AssertGuards();
            }
        }
    }

    [Fact]
    public void Refuses_what_does_not_fit_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var y = new GuardedMatrix<float>(stream, arena, 2, 3);
        VectorView<float> factor = arena.Vector<float>(1);
        VectorView<double> one = Upload(stream, arena, 1);
        stream.Upload<float>([0.25f], factor);
        foreach (double bound in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Throws<ArgumentException>(() => Clipping.ByDivergence(stream, one, one, bound, factor));
        }

        Assert.Throws<ArgumentException>(() => Clipping.ByDivergence(stream, one, Upload(stream, arena, 1, 2), 1, factor));
        Assert.Equal(0.25f, stream.Read(factor));
        Refusal.Of(() => Clipping.Apply(stream, arena.Vector<float>(2), y.View), y);
        Refusal.Of(() => Clipping.Apply(stream, y.View.Row(1).Slice(0, 1), y.View), y);
        Refusal.OfStaleViews(arena, () => Clipping.Apply(stream, factor, y.View));
    }

    private static void AssertFactor(float factor, double expected) =>
        ErrorBound.AssertWithinAndSharp([factor], [expected], [expected * ErrorBound.Gamma(1)], "factor");

    private static VectorView<double> Upload(DeviceStream stream, Arena arena, params double[] values)
    {
        VectorView<double> view = arena.Vector<double>(values.Length);
        stream.Upload<double>(values, view);
        return view;
    }
}
