using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Training by rows, and by the small systems of rows, is training by gradients and factors: the same up to rounding.</summary>
public sealed class FewRowsTests
{
    private const int Width = 40;

    [Theory]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi, 0.9)]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi, 0)]
    [InlineData(CurvatureKind.Empirical, DampingStyle.PerFactor, 0)]
    [InlineData(CurvatureKind.Exact, DampingStyle.Product, 0.9)]
    [InlineData(CurvatureKind.ForwardOnly, DampingStyle.InputOnly, 0)]
    public void A_run_by_rows_is_the_run_without(CurvatureKind kind, DampingStyle style, double average)
    {
        var options = new KfacOptions { Kind = kind, Style = style, MovingAverage = average, Damping = 0.1, KlClip = 0.01 };
        float[] rows = Train(options);
        float[] matrices = Train(options with { LowRankGradients = false, DualInverses = false });
        double[] expected = TestData.ToDouble(matrices);
        double tolerance = 1e-4 * expected.Max(Math.Abs);
        ErrorBound.AssertWithinAndSharp(rows, expected, [.. expected.Select(_ => tolerance)], $"{kind} {style}");
        Assert.NotEqual(matrices, rows);
    }

    /// <summary>Ten steps of a network with biases, weight sharing over three rows, and a layer that is used twice.</summary>
    private static float[] Train(KfacOptions options)
    {
        var shared = new Linear("shared", Width, Width);
        var root = new Sequential(
            new Linear("first", 20, Width),
            new ActivationLayer(ActivationKind.Tanh),
            shared,
            new ActivationLayer(ActivationKind.Tanh),
            shared,
            new MeanOverSharing(),
            new Linear("last", Width, 30, bias: false));
        using var test = new TestNetwork(root, new CrossEntropyLoss(), scale: 0.2f);
        using var optimizer = new KfacOptimizer(test.Arena.Device, test.Network, test.Network.Parameters, options);
        using var clipping = new GradientClipping(test.Arena.Device, 0.02);
        for (ulong step = 0; step < 10; step++)
        {
            test.Forward(TensorShape.Of(2, 3, 20), seed: 100 + step);
            test.SetLabelTargets(200 + step);
            ITrainingSink? sink = optimizer.TrainingPassSink;
            test.Network.Backward(sink);
            Assert.True(clipping.Apply(test.Network.Parameters, sink) > clipping.MaximumNorm);
            optimizer.Step(test.Network, test.Network.Parameters, 0.05);
        }

        Assert.DoesNotContain(optimizer.Events, static item => item.Kind is "retriedInDouble" or "dampingIncreased" or "keptLastInverse");
        return test.Read(test.Network.Parameters.Values.AsMatrix(1, test.Network.Parameters.Values.Length));
    }
}
