using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class WeightInitializationTests
{
    private const int Inputs = 200;
    private const int Outputs = 100;

    /// <summary>Sample variance of 20,000 normal numbers: within 6 standard errors √(2/n) of 2/P_in.</summary>
    [Fact]
    public void He_weights_have_variance_two_over_inputs()
    {
        float[] weights = Weights(WeightInitialization.He);
        double variance = weights.Average(w => (double)w * w);
        double error = 6 * Math.Sqrt(2.0 / weights.Length) * 2 / Inputs;
        Assert.InRange(variance, (2.0 / Inputs) - error, (2.0 / Inputs) + error);
    }

    [Fact]
    public void Glorot_weights_fill_their_interval()
    {
        float[] weights = Weights(WeightInitialization.Glorot);
        double limit = Math.Sqrt(6.0 / (Inputs + Outputs));
        Assert.All(weights, weight => Assert.InRange(weight, -limit - 1e-6, limit + 1e-6));
        Assert.InRange(weights.Max(), 0.99 * limit, limit + 1e-6);
        Assert.InRange(weights.Min(), -limit - 1e-6, -0.99 * limit);
    }

    [Fact]
    public void Sparse_weights_have_fifteen_connections_per_output()
    {
        float[] weights = Weights(WeightInitialization.Sparse);
        for (int row = 0; row < Outputs; row++)
        {
            Assert.Equal(15, weights.AsSpan(row * Inputs, Inputs).ToArray().Count(weight => weight != 0));
        }

        float[] narrow = Weights(WeightInitialization.Sparse, inputs: 4);
        Assert.DoesNotContain(0f, narrow);
    }

    [Fact]
    public void Weights_depend_on_the_key_and_the_layer()
    {
        float[] first = Weights(WeightInitialization.He);
        Assert.Equal(first, Weights(WeightInitialization.He));
        Assert.NotEqual(first, Weights(WeightInitialization.He, seed: 2));
        Assert.NotEqual(first, Weights(WeightInitialization.He, layer: 1));
    }

    [Fact]
    public void Biases_start_at_zero()
    {
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, new Linear("a", 2, 3), new SquaredErrorLoss(), new PhiloxKey(1, 0));
        float[] values = new float[9];
        device.DefaultStream.Download(network.Parameters.Values, values);
        Assert.Equal([0, 0, 0], new[] { values[2], values[5], values[8] });
        Assert.DoesNotContain(0f, new[] { values[0], values[1], values[3], values[4], values[6], values[7] });
    }

    private static float[] Weights(WeightInitialization initialization, ulong seed = 1, int layer = 0, int inputs = Inputs)
    {
        using Device device = TestDevice.OpenDefault();
        var root = new Sequential(
            new Linear("a", inputs, Outputs, bias: false, initialization), new Linear("b", inputs, Outputs, bias: false, initialization));
        using var network = new Network(device, root, new SquaredErrorLoss(), new PhiloxKey(seed, 0));
        MatrixView<float> block = network.Parameters.ValuesOf(network.Parameters.Blocks[layer]);
        var weights = new float[block.Rows * block.Columns];
        device.DefaultStream.Download(block, weights);
        return weights;
    }
}
