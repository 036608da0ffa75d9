using BenchmarkDotNet.Attributes;
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Bench;

/// <summary>The parts of a K-FAC step on the 784-1000-1000-1000-10 classifier: factors, inverses, and the preconditioned update.</summary>
/// <remarks>The memory column must read zero.</remarks>
[MemoryDiagnoser]
public class CurvatureBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private Network _network = null!;
    private KroneckerFactors _factors = null!;
    private KroneckerInverses _inverses = null!;
    private KfacOptimizer _optimizer = null!;

    [Params(DampingStyle.FactoredPi, DampingStyle.Product)]
    public DampingStyle Style { get; set; }

    [Params(100)]
    public int Batch { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        MatrixView<float> inputs = _arena.Matrix<float>(Batch, 784);
        Philox.Uniform(_device.DefaultStream, new PhiloxKey(1, 1), 0, inputs.AsVector());
        var shape = new MultiLayerPerceptronOptions { InputWidth = 784, HiddenWidths = [1000, 1000, 1000], OutputWidth = 10, Bias = false };
        _network = new Network(_device, MultiLayerPerceptron.Build(shape), new CrossEntropyLoss(), new PhiloxKey(1, 2));
        _network.Forward(inputs, TensorShape.Of(Batch, 784));
        _network.SetTargets(Targets.FromLabels(_device.DefaultStream, _arena, new int[Batch], 10));
        _network.Backward();

        var options = new KfacOptions { Style = Style, MovingAverage = 0.95, KlClip = 1e-3, FactorInterval = int.MaxValue, InverseInterval = int.MaxValue };
        _factors = new KroneckerFactors(_device, _network, options, LossReduction.Mean);
        _inverses = KroneckerInverses.Create(_device, _network.Layers, new InverseOptions { Style = Style });
        _optimizer = new KfacOptimizer(_device, _network, _network.Parameters, options);
        Factors();
        Inverses();
        Update();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _optimizer.Dispose();
        _inverses.Dispose();
        _factors.Dispose();
        _network.Dispose();
        _arena.Dispose();
        _device.Dispose();
    }

    /// <summary>A curvature backward pass of one Monte-Carlo sample, and the moving averages of all factors.</summary>
    [Benchmark]
    public void Factors() => _factors.Update(new PhiloxKey(3, 4));

    /// <summary>The damped inverses, or eigenbases, of all factors.</summary>
    [Benchmark]
    public void Inverses() => _inverses.Update(_factors.Pairs);

    /// <summary>Preconditioning, KL clipping and the momentum update.</summary>
    [Benchmark]
    public void Update() => _optimizer.Step(_network, _network.Parameters, 0);
}
