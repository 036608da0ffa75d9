using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class HostLayerRowsTests
{
    /// <summary>Their Gram matrices are the factors, whatever the convolution: rows of patches, and of every group its own.</summary>
    [Theory]
    [InlineData(3, 1, 0, 1, 1, SharingApproximation.Expand)]
    [InlineData(3, 1, 1, 1, 1, SharingApproximation.Expand)]
    [InlineData(3, 2, 1, 1, 1, SharingApproximation.Reduce)]
    [InlineData(2, 1, 1, 2, 1, SharingApproximation.Reduce)]
    [InlineData(3, 1, 1, 1, 2, SharingApproximation.Expand)]
    [InlineData(1, 1, 0, 1, 1, SharingApproximation.Reduce)]
    public void Rows_of_a_convolution_make_its_factors(
        int kernel, int stride, int padding, int dilation, int groups, SharingApproximation approximation)
    {
        const int Examples = 2;
        var options = new Conv2dOptions
        {
            InputChannels = 4,
            OutputChannels = 6,
            KernelHeight = kernel,
            KernelWidth = kernel,
            Stride = stride,
            Padding = padding,
            Dilation = dilation,
            Groups = groups,
            Bias = false,
        };
        using Device device = TestDevice.OpenDefault();
        using var test = new TestNetwork(
            new Sequential(new Conv2d("c", options), new ActivationLayer(ActivationKind.Tanh)), new SquaredErrorLoss(), device: device);
        test.Forward(TensorShape.Of(Examples, 6, 5, 4));
        test.SetValueTargets();
        using var factors = new KroneckerFactors(device, test.Network, new FactorOptions { Kind = CurvatureKind.Exact, Approximation = approximation });
        factors.Update(default);
        for (int layer = 0; layer < groups; layer++)
        {
            var rows = new HostLayerRows(test.Stream, layer);
            test.Network.CaptureInputs(rows);
            test.Network.CaptureOutputGradients(CurvatureKind.Exact, 1, default, rows);
            AssertGram(test.Read(factors.Pairs[layer].A), rows.InData(approximation), Examples, $"A of group {layer}");
            AssertGram(test.Read(factors.Pairs[layer].B), rows.OutGrads(approximation), 1, $"B of group {layer}");
        }
    }

    [Fact]
    public void Rows_of_a_lookup_are_refused()
    {
        using var test = new TestNetwork(new TokenEmbedding("tokens", 5, 3), new SquaredErrorLoss());
        test.Network.Forward(test.Tokens([0, 1, 2, 3], 2));
        var rows = new HostLayerRows(test.Stream, 0);
        Assert.Throws<NotSupportedException>(() => test.Network.CaptureInputs(rows));
    }

    private static void AssertGram(float[] factor, HostMatrix rows, int divisor, string what)
    {
        var expected = new double[rows.Columns * rows.Columns];
        for (int row = 0; row < rows.Rows; row++)
        {
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] += rows[row, i / rows.Columns] * rows[row, i % rows.Columns] / divisor;
            }
        }

        double tolerance = ErrorBound.Gamma(256) * expected.Max(Math.Abs);
        ErrorBound.AssertWithinAndSharp(factor, expected, [.. expected.Select(_ => tolerance)], what);
    }
}
