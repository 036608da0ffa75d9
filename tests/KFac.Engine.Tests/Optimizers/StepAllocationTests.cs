using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class StepAllocationTests
{
    [Theory]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi)]
    [InlineData(CurvatureKind.Exact, DampingStyle.Product)]
    [InlineData(CurvatureKind.Empirical, DampingStyle.PerFactor)]
    [InlineData(CurvatureKind.ForwardOnly, DampingStyle.InputOnly)]
    public void A_steady_step_allocates_no_more_for_more_layers_or_examples(CurvatureKind kind, DampingStyle style)
    {
        long small = BytesPerStep(kind, style, layers: 1, examples: 8);
        long large = BytesPerStep(kind, style, layers: 12, examples: 64);
        long lowRank = BytesPerStep(kind, style, layers: 2, examples: 64, rows: 6);
        long taken = BytesPerStep(kind, style, layers: 2, examples: 64, rows: 6, mayTake: true);
        long dual = BytesPerStep(kind, style, layers: 2, examples: 6, rows: 6, average: 0);

        Assert.Equal(0, small);
        Assert.Equal(0, large);
        Assert.Equal(0, lowRank);
        Assert.Equal(0, taken);
        Assert.Equal(0, dual);
    }

    private static long BytesPerStep(
        CurvatureKind kind, DampingStyle style, int layers, int examples, int rows = 0, double average = 0.9, bool mayTake = false)
    {
        const int Steps = 10;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var model = new FakeModel([.. Enumerable.Range(0, layers).Select(i => new KroneckerLayer($"layer{i}", 24, 24, HasBias: true))]);
        var parameters = new FakeParameters(device, arena, model.Layers);
        var options = new KfacOptions { Kind = kind, Style = style, MovingAverage = average, KlClip = 1e-3 };
        using var optimizer = new KfacOptimizer(device, model, parameters.Set, options);
        model.FillUniform(device.DefaultStream, arena, examples, 1);
        parameters.SetGradients(1);
        MatrixView<float> inputs = arena.Upload(rows, 24, new float[24 * rows]);
        MatrixView<float> gradients = arena.Upload(rows, 24, new float[24 * rows]);
        for (int i = 0; i < Steps; i++)
        {
            Step();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Steps; i++)
        {
            Step();
        }

        return (GC.GetAllocatedBytesForCurrentThread() - before) / Steps;

        void Step()
        {
            if (rows > 0)
            {
                ITrainingSink sink = optimizer.TrainingPassSink!;
                sink.BeginPass(mayTake);
                for (int layer = 0; layer < layers; layer++)
                {
                    sink.WeightGradient(layer, inputs, gradients);
                }

                sink.EndPass(parameters.Set);
            }

            optimizer.Step(model, parameters.Set, 1e-3);
        }
    }
}
