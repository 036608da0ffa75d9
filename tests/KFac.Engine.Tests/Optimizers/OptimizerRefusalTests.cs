using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>What optimizers are given is refused at the door: nothing is counted or changed then.</summary>
public sealed class OptimizerRefusalTests : IDisposable
{
    private static readonly KroneckerLayer[] s_layers = [new("first", 4, 3, HasBias: true), new("second", 3, 2, HasBias: false)];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly FakeModel _model = new(s_layers);
    private readonly FakeParameters _parameters;

    public OptimizerRefusalTests()
    {
        _arena = new Arena(_device);
        _parameters = new FakeParameters(_device, _arena, s_layers);
        _model.FillUniform(_device.DefaultStream, _arena, examples: 6, seed: 3);
        _parameters.SetGradients(5);
    }

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void Nothing_is_refused_by_name()
    {
        ParameterSet set = _parameters.Set;
        (string Name, Func<object> Call)[] cases =
        [
            ("device", () => new KfacOptimizer(null!, _model, set, new KfacOptions())),
            ("model", () => new KfacOptimizer(_device, null!, set, new KfacOptions())),
            ("parameters", () => new KfacOptimizer(_device, _model, null!, new KfacOptions())),
            ("options", () => new KfacOptimizer(_device, _model, set, null!)),
            ("device", () => new SgdOptimizer(null!, set, new SgdOptions())),
            ("parameters", () => new SgdOptimizer(_device, null!, new SgdOptions())),
            ("options", () => new SgdOptimizer(_device, set, null!)),
            ("device", () => new AdamOptimizer(null!, set, new AdamOptions())),
            ("parameters", () => new AdamOptimizer(_device, null!, new AdamOptions())),
            ("options", () => new AdamOptimizer(_device, set, null!)),
            ("device", () => new WeightAverage(null!, set, new WeightAverageOptions())),
            ("parameters", () => new WeightAverage(_device, null!, new WeightAverageOptions())),
            ("options", () => new WeightAverage(_device, set, null!)),
            ("device", () => new GradientClipping(null!, 1)),
            ("device", () => new KroneckerFactors(null!, _model, new FactorOptions())),
            ("model", () => new KroneckerFactors(_device, null!, new FactorOptions())),
            ("options", () => new KroneckerFactors(_device, _model, null!)),
            ("device", () => KroneckerInverses.Create((Device)null!, s_layers, new InverseOptions())),
            ("layers", () => KroneckerInverses.Create(_device, null!, new InverseOptions())),
            ("options", () => KroneckerInverses.Create(_device, s_layers, null!)),
            ("LayerApproximations", () => new KfacOptimizer(_device, _model, set, new KfacOptions { LayerApproximations = null! })),
            ("OtherParameters", () => new KfacOptimizer(_device, _model, set, new KfacOptions { OtherParameters = null! })),
        ];
        foreach ((string name, Func<object> call) in cases)
        {
            Assert.Equal(name, Assert.Throws<ArgumentNullException>(call).ParamName);
        }
    }

    [Fact]
    public void Parameters_of_another_device_are_refused()
    {
        ParameterSet set = _parameters.Set;
        using Device other = TestDevice.OpenDefault();
        Func<object>[] cases =
        [
            () => new KfacOptimizer(other, _model, set, new KfacOptions()),
            () => new SgdOptimizer(other, set, new SgdOptions()),
            () => new AdamOptimizer(other, set, new AdamOptions()),
            () => new WeightAverage(other, set, new WeightAverageOptions()),
        ];
        foreach (Func<object> call in cases)
        {
            string message = Assert.Throws<ArgumentException>("device", call).Message;
            Assert.StartsWith("The parameters lie on device 'cpu', and another device 'cpu' is given", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Options_out_of_range_are_refused_before_memory_is_taken()
    {
        ParameterSet set = _parameters.Set;
        Assert.Throws<ArgumentException>(() => new KfacOptimizer(_device, _model, set, new KfacOptions { Damping = double.NaN }));
        Assert.Throws<ArgumentException>(() => new SgdOptimizer(_device, set, new SgdOptions { Momentum = 1 }));
        Assert.Throws<ArgumentException>(() => new AdamOptimizer(_device, set, new AdamOptions { Beta1 = -1 }));
        Assert.Throws<ArgumentException>(() => new WeightAverage(_device, set, new WeightAverageOptions { Decay = 2 }));
        Assert.Throws<ArgumentException>(() => new KroneckerFactors(_device, _model, new FactorOptions(), (LossReduction)7));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_refused_step_changes_and_counts_nothing(int kind)
    {
        float[] expected = Steps(kind, refused: false);
        Assert.Equal(expected, Steps(kind, refused: true));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_disposed_optimizer_refuses_to_step(int kind)
    {
        IOptimizer optimizer = Create(kind, _parameters.Set);
        optimizer.Step(_model, _parameters.Set, 0.1);
        float[] values = _parameters.Values;
        optimizer.Dispose();
        optimizer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => optimizer.Step(_model, _parameters.Set, 0.1));
        Assert.Equal(values, _parameters.Values);
    }

    [Fact]
    public void A_refused_set_is_not_averaged()
    {
        using var average = new WeightAverage(_device, _parameters.Set, new WeightAverageOptions());
        Assert.Throws<ArgumentException>(() => average.Update(Shorter()));
        Assert.False(average.HasValues);
        average.Update(_parameters.Set);
        Assert.Equal(_parameters.Values, _device.Read(average.Values));
        Assert.Throws<ArgumentException>(() => average.Exchange(Shorter()));
        Assert.Equal(_parameters.Values, _device.Read(average.Values));
    }

    [Fact]
    public void Parameters_and_layers_that_do_not_fit_are_named()
    {
        IReadOnlyList<ParameterBlock> blocks = _parameters.Set.Blocks;
        (ParameterBlock[] Blocks, string Message)[] cases =
        [
            ([blocks[0], blocks[2]], "Layer 'second' has no parameter"),
            ([blocks[0], blocks[1] with { Layer = 0 }], "Parameter 'second.weight' belongs to layer 0; wanted one parameter for each of 2 layers"),
            ([blocks[0], blocks[1] with { Layer = 2 }], "belongs to layer 2"),
            ([blocks[0] with { Columns = 4 }, blocks[1]], "Parameter 'first.weight' is 3×4; layer 'first' wants 3×5"),
        ];
        foreach ((ParameterBlock[] wrong, string message) in cases)
        {
            Exception exception = Assert.Throws<ArgumentException>(
                () => new KfacOptimizer(_device, _model, _parameters.Set with { Blocks = wrong }, new KfacOptions()));
            Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        }
    }

    private float[] Steps(int kind, bool refused)
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        parameters.SetGradients(5);
        using IOptimizer optimizer = Create(kind, parameters.Set);
        for (int step = 0; step < 3; step++)
        {
            if (refused)
            {
                Assert.Throws<ArgumentNullException>(() => optimizer.Step(_model, null!, 0.1));
                Assert.Throws<ArgumentException>(() => optimizer.Step(_model, Shorter(), 0.1));
                Assert.Throws<ArgumentException>(() => optimizer.Step(_model, parameters.Set, -0.1));
                Assert.Throws<ArgumentException>(() => optimizer.Step(_model, parameters.Set, double.PositiveInfinity));
            }

            optimizer.Step(_model, parameters.Set, 0.1);
        }

        return parameters.Values;
    }

    private IOptimizer Create(int kind, ParameterSet set) => kind switch
    {
        0 => new KfacOptimizer(_device, _model, set, new KfacOptions()),
        1 => new SgdOptimizer(_device, set, new SgdOptions()),
        _ => new AdamOptimizer(_device, set, new AdamOptions()),
    };

    /// <summary>Parameters of another model.</summary>
    private ParameterSet Shorter() => new FakeParameters(_device, _arena, s_layers[..1]).Set;
}
