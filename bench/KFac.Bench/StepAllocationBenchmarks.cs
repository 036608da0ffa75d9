using BenchmarkDotNet.Attributes;
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Bench;

/// <summary>Managed memory of one whole K-FAC step: forward, backward, factors, inverses, preconditioning, update.</summary>
/// <remarks>Batch, depth and width vary so that growth with any of them shows. KFac.Bench.Tests runs this benchmark and
/// fails when a step allocates.</remarks>
[MemoryDiagnoser]
public class StepAllocationBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private Network _network = null!;
    private KfacOptimizer _optimizer = null!;
    private MatrixView<float> _inputs;
    private Targets _targets;

    [Params(16, 128)]
    public int Batch { get; set; }

    [Params(2, 8)]
    public int HiddenLayers { get; set; }

    [Params(8, 64)]
    public int Width { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu", new DeviceOptions { Threads = 2 });
        _arena = new Arena(_device);
        _inputs = _arena.Matrix<float>(Batch, Width);
        Philox.Uniform(_device.DefaultStream, new PhiloxKey(1, 1), 0, _inputs.AsVector());
        Module root = MultiLayerPerceptron.Build(new MultiLayerPerceptronOptions
        {
            InputWidth = Width,
            HiddenWidths = [.. Enumerable.Repeat(Width, HiddenLayers)],
            OutputWidth = 10,
        });
        _network = new Network(_device, root, new CrossEntropyLoss(), new PhiloxKey(1, 2));
        _targets = Targets.FromLabels(_device.DefaultStream, _arena, new int[Batch], 10);
        _optimizer = new KfacOptimizer(
            _device, _network, _network.Parameters, new KfacOptions { Damping = 1, KlClip = 1e-3, MovingAverage = 0.95 });
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _optimizer.Dispose();
        _network.Dispose();
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void KfacStep()
    {
        _network.Forward(_inputs, TensorShape.Of(Batch, Width));
        _network.SetTargets(_targets);
        _network.Backward(_optimizer.TrainingPassSink);
        _optimizer.Step(_network, _network.Parameters, 1e-3);
    }
}
