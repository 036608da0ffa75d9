using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public class PreconditionerTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    [InlineData(5, 8)]
    [InlineData(9, 7)]
    public void Product_damping_agrees_with_the_dense_kronecker_inverse(int inputs, int outputs)
    {
        foreach (double damping in new[] { 1e-3, 0.1 })
        {
            Check(DampingStyle.Product, inputs, outputs, damping, (a, b, gradient) =>
                Preconditioning.Dense(a, inputs, b, outputs, gradient, damping));
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 8)]
    [InlineData(33, 20)]
    public void Factor_wise_damping_agrees_with_float64(int inputs, int outputs)
    {
        const double Damping = 0.02;
        Check(DampingStyle.PerFactor, inputs, outputs, Damping, (a, b, gradient) =>
            Preconditioning.Factored(a, inputs, Damping, b, outputs, Damping, gradient));
        Check(DampingStyle.FactoredPi, inputs, outputs, Damping, (a, b, gradient) =>
        {
            double pi = Preconditioning.Pi(a, inputs, b, outputs);
            return Preconditioning.Factored(
                a, inputs, pi * Math.Sqrt(Damping), b, outputs, Math.Sqrt(Damping) / pi, gradient);
        });
        Check(DampingStyle.InputOnly, inputs, outputs, Damping, (a, b, gradient) =>
            Preconditioning.Factored(a, inputs, Damping, Identity(outputs), outputs, 0, gradient));
    }

    [Fact]
    public void Product_damping_is_exact_for_rank_deficient_factors()
    {
        const int Size = 6;
        float[] ones = [.. Enumerable.Repeat(1f, Size * Size)];
        Check(DampingStyle.Product, Size, Size, 0.1, (a, b, gradient) =>
            Preconditioning.Dense(a, Size, b, Size, gradient, 0.1), ones, ones);
    }

    [Fact]
    public void Singular_factors_without_damping_get_some_and_say_so()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        MatrixView<float> singular = arena.Upload(2, 2, DeviceMatrix.Diagonal(1, 0));
        MatrixView<float> gradient = arena.Upload(2, 2, [1, 2, 3, 4]);
        MatrixView<float> update = arena.Matrix<float>(2, 2);

        foreach (DampingStyle style in Enum.GetValues<DampingStyle>())
        {
            IReadOnlyList<NumericalEventCount> events = Preconditioner.Apply(
                device.DefaultStream, singular, singular, gradient, 0, style, update);
            Assert.Contains(events, item => item.Kind == "dampingIncreased");
            Assert.All(device.Read(update), value => Assert.True(float.IsFinite(value)));
        }
    }

    [Fact]
    public void A_factor_that_no_damping_saves_is_refused()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        MatrixView<float> good = arena.Upload(2, 2, DeviceMatrix.Diagonal(1, 2));
        MatrixView<float> nan = arena.Upload(2, 2, [1, float.NaN, float.NaN, 1]);
        MatrixView<float> update = arena.Matrix<float>(2, 2);

        foreach (DampingStyle style in new[] { DampingStyle.FactoredPi, DampingStyle.PerFactor, DampingStyle.Product })
        {
            Exception exception = Assert.Throws<ArithmeticException>(
                () => Preconditioner.Apply(device.DefaultStream, good, nan, good, 1e-3, style, update));
            Assert.Contains("Factor B cannot be inverted", exception.Message, StringComparison.Ordinal);
        }

        MatrixView<float> negative = arena.Upload(2, 2, DeviceMatrix.Diagonal(1, -1e6f));
        foreach (DampingStyle style in Enum.GetValues<DampingStyle>())
        {
            Assert.Throws<ArithmeticException>(
                () => Preconditioner.Apply(device.DefaultStream, negative, good, good, 1e-3, style, update));
        }
    }

    [Fact]
    public void Wrong_shapes_and_negative_damping_are_refused()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> two = arena.Upload(2, 2, DeviceMatrix.Diagonal(1, 2));
        MatrixView<float> three = arena.Upload(3, 3, DeviceMatrix.Diagonal(1, 2, 3));
        MatrixView<float> gradient = arena.Upload(2, 3, new float[6]);
        MatrixView<float> update = arena.Upload(2, 3, new float[6]);

        Exception shape = Assert.Throws<ArgumentException>(
            () => Preconditioner.Apply(stream, two, two, gradient, 0.1, DampingStyle.FactoredPi, update));
        Assert.Contains("Factor A of layer 'gradient' is 2×2; wanted 3×3", shape.Message, StringComparison.Ordinal);
        Exception damping = Assert.Throws<ArgumentException>(
            () => Preconditioner.Apply(stream, three, two, gradient, -0.1, DampingStyle.FactoredPi, update));
        Assert.Contains("Damping is -0.1; wanted a finite number, at least 0", damping.Message, StringComparison.Ordinal);
        Exception empty = Assert.Throws<ArgumentException>(
            () => Preconditioner.Apply(stream, default, two, arena.Matrix<float>(2, 0), 0.1, DampingStyle.FactoredPi, default));
        Assert.Contains("Input width of layer 'gradient' is 0; wanted at least 1", empty.Message, StringComparison.Ordinal);
        Assert.All(device.Read(update), value => Assert.Equal(0, value));
    }

    /// <summary>The forward error is of the order n·ε·κ, with κ of some hundreds for these matrices.</summary>
    private static void Check(
        DampingStyle style,
        int inputs,
        int outputs,
        double damping,
        Func<double[], double[], double[], double[]> reference,
        float[]? a = null,
        float[]? b = null)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        a ??= DeviceMatrix.Spd(inputs, 1);
        b ??= DeviceMatrix.Spd(outputs, 2);
        float[] gradient = TestData.Uniform(inputs * outputs, 3);
        MatrixView<float> update = arena.Matrix<float>(outputs, inputs);

        IReadOnlyList<NumericalEventCount> events = Preconditioner.Apply(
            device.DefaultStream,
            arena.Upload(inputs, inputs, a),
            arena.Upload(outputs, outputs, b),
            arena.Upload(outputs, inputs, gradient),
            damping,
            style,
            update);

        double[] expected = reference(TestData.ToDouble(a), TestData.ToDouble(b), TestData.ToDouble(gradient));
        ErrorBound.AssertWithinAndSharp(
            device.Read(update), expected, DeviceMatrix.RelativeToLargest(expected, 2e-4), $"{style} {outputs}×{inputs}");
        Assert.Empty(events);
    }

    private static double[] Identity(int n) =>
        TestData.ToDouble(DeviceMatrix.Diagonal([.. Enumerable.Repeat(1f, n)]));
}
