using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class FirstOrderOptimizerTests : IDisposable
{
    private const int Steps = 50;

    private static readonly KroneckerLayer[] s_layers = [new("layer", 6, 5, HasBias: true)];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly FakeModel _model = new(s_layers);

    public FirstOrderOptimizerTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(0.9, 0, false)]
    [InlineData(0.9, 0.01, false)]
    [InlineData(0.9, 0.01, true)]
    public void Sgd_agrees_with_float64_over_many_steps(double momentum, double decay, bool nesterov)
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        double[] expected = TestData.ToDouble(parameters.Values);
        var velocity = new double[expected.Length];
        var options = new SgdOptions { Momentum = momentum, WeightDecay = decay, Nesterov = nesterov };
        using var optimizer = new SgdOptimizer(_device, parameters.Set, options);
        for (int t = 1; t <= Steps; t++)
        {
            double[] gradient = TestData.ToDouble(parameters.SetGradients((ulong)t));
            double rate = 0.1 / t;
            optimizer.Step(_model, parameters.Set, rate);
            FirstOrderRules.Momentum(expected, gradient, velocity, rate, momentum, decay, nesterov);
        }

        AssertClose(parameters, expected);
        Assert.Equal("sgd", optimizer.Name);
    }

    [Theory]
    [InlineData(0, false, "adamw")]
    [InlineData(0.1, false, "adamw")]
    [InlineData(0, true, "nadamw")]
    [InlineData(0.1, true, "nadamw")]
    public void Adam_agrees_with_float64_over_many_steps(double decay, bool nesterov, string name)
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        double[] expected = TestData.ToDouble(parameters.Values);
        var first = new double[expected.Length];
        var second = new double[expected.Length];
        var options = new AdamOptions { Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-6, WeightDecay = decay, Nesterov = nesterov };
        using var optimizer = new AdamOptimizer(_device, parameters.Set, options);
        for (int t = 1; t <= Steps; t++)
        {
            double[] gradient = TestData.ToDouble(parameters.SetGradients((ulong)t));
            optimizer.Step(_model, parameters.Set, 0.05);
            FirstOrderRules.Adam(expected, gradient, first, second, t, 0.05, 0.8, 0.95, 1e-6, decay, nesterov);
        }

        AssertClose(parameters, expected);
        Assert.Equal(name, optimizer.Name);
    }

    [Fact]
    public void State_restores_the_bits_of_the_next_steps()
    {
        CheckResume(parameters => new SgdOptimizer(_device, parameters, new SgdOptions { WeightDecay = 0.1, Nesterov = true }));
        CheckResume(parameters => new AdamOptimizer(_device, parameters, new AdamOptions { WeightDecay = 0.1, Nesterov = true }));
    }

    [Fact]
    public void Nothing_but_gradients_is_wanted_and_no_events_happen()
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using var sgd = new SgdOptimizer(_device, parameters.Set, new SgdOptions());
        using var adam = new AdamOptimizer(_device, parameters.Set, new AdamOptions());
        foreach (IOptimizer optimizer in new IOptimizer[] { sgd, adam })
        {
            Assert.Null(optimizer.TrainingPassSink);
            Assert.Empty(optimizer.Events);
            Assert.Throws<ArgumentException>(() => optimizer.Step(_model, parameters.Set, double.NaN));
        }
    }

    private void CheckResume(Func<ParameterSet, IOptimizer> create)
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using IOptimizer optimizer = create(parameters.Set);
        Run(optimizer, parameters, 1, 4);
        var state = new MemoryState(_device);
        state.Save(optimizer);
        float[] values = parameters.Values;
        Run(optimizer, parameters, 5, 9);

        var again = new FakeParameters(_device, _arena, s_layers);
        using IOptimizer restored = create(again.Set);
        _device.DefaultStream.Upload(values, again.Set.Values);
        state.Restore(restored);
        Run(restored, again, 5, 9);
        Assert.Equal(parameters.Values, again.Values);
    }

    private void Run(IOptimizer optimizer, FakeParameters parameters, int first, int last)
    {
        for (int t = first; t <= last; t++)
        {
            parameters.SetGradients((ulong)t);
            optimizer.Step(_model, parameters.Set, 0.01);
        }
    }

    /// <summary>A few roundings a step of numbers of the size of parameters and steps.</summary>
    private static void AssertClose(FakeParameters parameters, double[] expected) =>
        ErrorBound.AssertWithinAndSharp(
            parameters.Values, expected, DeviceMatrix.RelativeToLargest(expected, ErrorBound.Gamma(8 * Steps)), "parameters");
}
