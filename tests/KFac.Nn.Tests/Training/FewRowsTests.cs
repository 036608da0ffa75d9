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

        float[] taken = Train(options, mayTake: true);
        ErrorBound.AssertWithinAndSharp(taken, expected, [.. expected.Select(_ => tolerance)], $"taken, {kind} {style}");
    }

    [Fact]
    public void Gradients_whose_rows_were_taken_are_not_computed()
    {
        using var test = new TestNetwork(new Sequential(new Linear("first", 20, Width), new Linear("last", Width, 30)), new CrossEntropyLoss(), scale: 0.2f);
        ParameterSet parameters = test.Network.Parameters;
        using var optimizer = new KfacOptimizer(test.Arena.Device, test.Network, parameters, new KfacOptions());
        MatrixView<float> gradients = parameters.Gradients.AsMatrix(1, parameters.Gradients.Length);
        test.Forward(TensorShape.Of(3, 20), seed: 1);
        test.SetLabelTargets(2);
        test.Network.Backward();
        float[] expected = test.Read(gradients);
        Elementwise.Fill(test.Arena.Device.DefaultStream, float.NaN, gradients);
        ITrainingSink sink = optimizer.TrainingPassSink!;

        test.Network.Backward(sink, mayTakeRows: true);

        Assert.All(test.Read(gradients), static value => Assert.Equal(float.NaN, value));
        sink.FormGradients(parameters);
        double largest = expected.Max(static value => Math.Abs((double)value));
        ErrorBound.AssertWithin(test.Read(gradients), TestData.ToDouble(expected), [.. expected.Select(_ => 1e-6 * largest)], "gradients");
    }

    /// <summary>Ten steps of a network with biases, weight sharing over three rows, and a layer that is used twice.</summary>
    private static float[] Train(KfacOptions options, bool mayTake = false)
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
            test.Network.Backward(sink, mayTake);
            if (step % 2 == 0)
            {
                Assert.True(clipping.Apply(test.Network.Parameters, sink) > clipping.MaximumNorm);
            }

            optimizer.Step(test.Network, test.Network.Parameters, 0.05);
        }

        Assert.DoesNotContain(optimizer.Events, static item => item.Kind is "retriedInDouble" or "dampingIncreased" or "keptLastInverse");
        return test.Read(test.Network.Parameters.Values.AsMatrix(1, test.Network.Parameters.Values.Length));
    }
}
