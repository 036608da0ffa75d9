using BenchmarkDotNet.Attributes;
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Bench;

/// <summary>One step of the two dense workloads: forward, backward, and the curvature passes, without factors or updates.</summary>
/// <remarks>The memory column must read zero: a steady-state step allocates nothing.</remarks>
[MemoryDiagnoser]
public class TrainingStepBenchmarks
{
    private readonly EmptySink _sink = new();
    private Device _device = null!;
    private Arena _arena = null!;
    private Network _network = null!;
    private MatrixView<float> _inputs;
    private Targets _targets;

    [Params("mlp", "autoencoder")]
    public string Model { get; set; } = "mlp";

    [Params(100, 1000)]
    public int Batch { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        _inputs = _arena.Matrix<float>(Batch, 784);
        Philox.Uniform(_device.DefaultStream, new PhiloxKey(1, 1), 0, _inputs.AsVector());
        bool classifies = Model == "mlp";
        Module root = classifies
            ? MultiLayerPerceptron.Build(new MultiLayerPerceptronOptions
            {
                InputWidth = 784,
                HiddenWidths = [1000, 1000, 1000],
                OutputWidth = 10,
                Bias = false,
            })
            : Autoencoder.Build(new AutoencoderOptions());
        _network = new Network(_device, root, classifies ? new CrossEntropyLoss() : new BernoulliLoss(), new PhiloxKey(1, 2));
        _targets = classifies
            ? Targets.FromLabels(_device.DefaultStream, _arena, new int[Batch], 10)
            : Targets.Of(_inputs);
        Step();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _network.Dispose();
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Step()
    {
        _network.Forward(_inputs, TensorShape.Of(Batch, 784));
        _network.SetTargets(_targets);
        _network.Backward();
    }

    /// <summary>Output gradients of one sample: the step's backward pass without weight gradients.</summary>
    [Benchmark]
    public void MonteCarloPass() =>
        _network.CaptureOutputGradients(CurvatureKind.MonteCarlo, 1, new PhiloxKey(3, 4), _sink);

    /// <summary>Output gradients of ten samples, batched: as many as the exact GGN of ten classes has columns.</summary>
    [Benchmark]
    public void TenSeeds() =>
        _network.CaptureOutputGradients(CurvatureKind.MonteCarlo, 10, new PhiloxKey(3, 4), _sink);

    private sealed class EmptySink : ICaptureSink
    {
        public void Inputs(int layer, in LayerRows rows)
        {
        }

        public void OutputGradients(int layer, in LayerRows rows)
        {
        }
    }
}
