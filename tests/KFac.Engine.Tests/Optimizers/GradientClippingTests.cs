using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class GradientClippingTests : IDisposable
{
    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly FakeParameters _parameters;

    public GradientClippingTests()
    {
        _arena = new Arena(_device);
        _parameters = new FakeParameters(_device, _arena, [new KroneckerLayer("layer", 6, 5, HasBias: true)]);
    }

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Gradients_above_the_norm_are_scaled_to_it()
    {
        float[] before = _parameters.SetGradients(1, 3);
        double norm = Math.Sqrt(before.Sum(value => (double)value * value));
        using var clipping = new GradientClipping(_device, norm / 4);

        Assert.Equal(norm, clipping.Apply(_parameters.Set), 1e-9);

        double[] expected = [.. before.Select(value => value / 4.0)];
        double[] tolerance = [.. expected.Select(value => 2 * ErrorBound.Epsilon * Math.Abs(value))];
        ErrorBound.AssertWithinAndSharp(_device.Read(_parameters.Set.Gradients), expected, tolerance, "gradients");
    }

    [Fact]
    public void Gradients_within_the_norm_keep_their_bits()
    {
        float[] before = _parameters.SetGradients(1);
        using var clipping = new GradientClipping(_device, 100);
        clipping.Apply(_parameters.Set);
        Assert.Equal(before, _device.Read(_parameters.Set.Gradients));
    }

    [Fact]
    public void A_non_finite_gradient_is_named_and_nothing_is_scaled()
    {
        float[] before = _parameters.SetGradients(1, 100);
        before[8] = float.PositiveInfinity;
        _device.DefaultStream.Upload(before, _parameters.Set.Gradients);
        using var clipping = new GradientClipping(_device, 1);

        NonFiniteCaptureException exception = Assert.Throws<NonFiniteCaptureException>(() => clipping.Apply(_parameters.Set));

        Assert.Equal(("layer.weight", 1L, 1L), (exception.Layer, exception.Row, exception.Column));
        Assert.Equal(before, _device.Read(_parameters.Set.Gradients));
    }

    [Fact]
    public void Only_a_positive_norm_is_accepted() =>
        Assert.Throws<ArgumentException>(() => new GradientClipping(_device, 0));
}
