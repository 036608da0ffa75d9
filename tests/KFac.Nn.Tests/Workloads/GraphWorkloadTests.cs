using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>The workloads on graphs, on data that the program makes.</summary>
public class GraphWorkloadTests
{
    [Theory]
    [InlineData(SharingApproximation.Expand)]
    [InlineData(SharingApproximation.Reduce)]
    public void A_graph_convolutional_network_learns_to_classify_nodes(SharingApproximation approximation)
    {
        TrainingResult result = Train(GraphConvolutionWorkload.Cora, approximation, 50);
        Assert.True(result.Metrics.Get("testAccuracy") > 0.85, result.Metrics.ToString());
        Assert.True(result.Metrics.TrainLoss < 1, result.Metrics.ToString());
    }

    [Theory]
    [InlineData(SharingApproximation.Expand)]
    [InlineData(SharingApproximation.Reduce)]
    public void A_graph_network_learns_properties_of_graphs(SharingApproximation approximation)
    {
        TrainingResult result = Train(GraphNetworkWorkload.Tox21 with { Width = 32, Blocks = 2, Dropout = 0 }, approximation, 120);
        Assert.True(result.Metrics.Get("validationRocAuc") > 0.75, result.Metrics.ToString());
        Assert.True(result.Metrics.Get("validationAveragePrecision") > 0.4, result.Metrics.ToString());
    }

    [Fact]
    public void Tasks_without_both_labels_are_left_out_of_the_means()
    {
        using Device device = TestDevice.OpenDefault();
        using var test = new TestNetwork(new Linear("a", 2, 3), new BernoulliLoss(), device: device);
        test.Stream.Upload<float>([1, 0, 0, 0, 1, 0, 1, 1, 0], test.Network.Parameters.Values);
        using var meter = new TaskRankingMeter(test.Stream, 3);
        float[] inputs = [0.9f, 1, 0.8f, 2, 0.7f, 3, 0.6f, 4];
        float[] labels = [1, float.NaN, 1, 0, 1, 1, 1, 1, 1, 0, float.NaN, 1];
        MatrixView<float> x = test.Arena.Matrix<float>(4, 2);
        test.Stream.Upload<float>(inputs, x);
        test.Network.Forward(x, TensorShape.Of(4, 2));
        Targets targets = Targets.FromValues(test.Stream, test.Arena, labels, 4, 3);
        test.Network.SetTargets(targets);
        meter.Add(test.Network, new FixedBatch(targets));
        var values = new double[3];
        meter.Read(values);
        Assert.Equal((0.5 * 1) + (0.5 * 2 / 3), values[1], 1e-12);
        Assert.Equal(0.75, values[2], 1e-12);
        Assert.Equal(test.Network.MeanLoss(), values[0], 1e-12);
    }

    private static TrainingResult Train(Workload workload, SharingApproximation approximation, int steps)
    {
        using Device device = TestDevice.OpenDefault();
        var options = new TrainingOptions
        {
            Workload = workload,
            Optimizer = workload.DefaultOptimizer(OptimizerKind.Kfac) with { Approximation = approximation },
            Seed = 3,
            Steps = steps,
            EvaluationInterval = steps,
        };
        using var run = new TrainingRun(device, options, workload.Load(null, 3));
        return run.Run(null, default);
    }

    private sealed class FixedBatch(Targets targets) : MiniBatch
    {
        public override int Count => 4;

        public override Targets Targets => targets;

        public override void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key) => throw new NotSupportedException();

        public override void Fill(DataPart part, int start, int count) => throw new NotSupportedException();

        public override Variable Forward(Network network) => throw new NotSupportedException();
    }
}
