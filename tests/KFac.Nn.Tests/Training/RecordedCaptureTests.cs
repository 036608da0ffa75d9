using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Captures that hand over more often than there are layers are recorded and replayed like others.</summary>
public sealed class RecordedCaptureTests
{
    private const int Classes = 40;
    private const int Steps = 6;

    [SkippableTheory]
    [MemberData(nameof(TestDevice.Cuda), MemberType = typeof(TestDevice))]
    public void Exact_curvature_of_many_classes_is_replayed_with_the_bits_of_plain_steps(string key)
    {
        float[] plain = Train(key, graphs: false, out long none);
        float[] recorded = Train(key, graphs: true, out long replays);
        Assert.Equal(plain, recorded);

        // The first step shows how much memory its passes take; the third is recorded.
        Assert.Equal((0, Steps - 2), (none, replays));
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevice.Cuda), MemberType = typeof(TestDevice))]
    public void A_replayed_capture_names_what_is_not_finite(string key)
    {
        using var run = new Run(TestDevice.OpenCuda(key, new DeviceOptions()));
        for (int step = 0; step < 4; step++)
        {
            run.Step();
        }

        Assert.Equal(2, run.Optimizer.FactorReplays.Gathered);
        NonFiniteCaptureException thrown = Assert.Throws<NonFiniteCaptureException>(() => run.Step(poisoned: true));
        Assert.Equal(("first", "inputs", 2L, 1L), (thrown.Layer, thrown.Quantity, thrown.Row, thrown.Column));
        Assert.Equal(3, run.Optimizer.FactorReplays.Gathered);
    }

    private static float[] Train(string key, bool graphs, out long replays)
    {
        using var run = new Run(TestDevice.OpenCuda(key, new DeviceOptions { Graphs = graphs }));
        for (int step = 0; step < Steps; step++)
        {
            run.Step();
        }

        replays = run.Optimizer.FactorReplays.Gathered;
        return run.Test.Read(run.Test.Network.Parameters.Values.AsMatrix(1, run.Test.Parameters.Length));
    }

    /// <summary>Steps over one forward pass, with a pass for each class.</summary>
    private sealed class Run : IDisposable
    {
        private readonly Device _device;
        private readonly MatrixView<float> _inputs;

        public Run(Device device)
        {
            _device = device;
            var model = new Sequential(new Linear("first", 3, 5), new ActivationLayer(ActivationKind.Tanh), new Linear("second", 5, Classes));
            Test = new TestNetwork(model, new CrossEntropyLoss(), device: device, seedMemory: 1);
            _inputs = Test.Arena.Matrix<float>(4, 3);
            Test.Stream.Upload<float>(TestData.Uniform(12, 21), _inputs);
            Test.Network.Forward(_inputs, TensorShape.Of(4, 3));
            Test.SetLabelTargets();
            var options = new KfacOptions { Kind = CurvatureKind.Exact, DualInverses = false, LowRankGradients = false, Damping = 0.3 };
            Optimizer = new KfacOptimizer(device, Test.Network, Test.Network.Parameters, options);
        }

        public TestNetwork Test { get; }

        public KfacOptimizer Optimizer { get; }

        /// <param name="poisoned">Whether an input turns into a NaN once the gradients are there.</param>
        public void Step(bool poisoned = false)
        {
            Test.Network.Backward(Optimizer.TrainingPassSink);
            if (poisoned)
            {
                Test.Stream.Upload<float>([float.NaN], _inputs.AsVector().Slice((2 * 3) + 1, 1));
            }

            Optimizer.Step(Test.Network, Test.Network.Parameters, 0.05);
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            Test.Dispose();
            _device.Dispose();
        }
    }
}
