using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>Factors that are factored and solved with in place of their inverses: the updates and the failure policy of the inverse.</summary>
public sealed class CholeskySolvesTests : IDisposable
{
    private const int Inputs = 210;
    private const int Outputs = 200;

    private static readonly KroneckerLayer[] s_layers = [new("first", Inputs - 1, Outputs, HasBias: true), new("second", Outputs, 30, HasBias: false)];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly List<NumericalEvent> _events = [];

    public CholeskySolvesTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.PerFactor)]
    [InlineData(DampingStyle.InputOnly)]
    public void Solves_give_the_updates_of_the_inverse(DampingStyle style)
    {
        using KroneckerInverses solves = Create(style, 0.1, uses: 1);
        using KroneckerInverses inverse = Create(style, 0.1, uses: null);
        var pair = new KroneckerPair(Spd(Inputs, 1), Spd(Outputs, 2));
        solves.Update([pair]);
        inverse.Update([pair]);

        float[] expected = Apply(inverse);
        double[] reference = TestData.ToDouble(expected);
        ErrorBound.AssertWithinAndSharp(Apply(solves), reference, DeviceMatrix.RelativeToLargest(reference, 1e-5), $"{style}");
        Assert.NotEqual(expected, Apply(solves));
        reference = TestData.ToDouble(ApplyRows(inverse));
        ErrorBound.AssertWithinAndSharp(ApplyRows(solves), reference, DeviceMatrix.RelativeToLargest(reference, 1e-5), $"{style} rows");
        Assert.Empty(_events);
    }

    [Fact]
    public void Many_uses_form_the_inverse()
    {
        using KroneckerInverses many = Create(DampingStyle.PerFactor, 0.1, uses: 1000);
        using KroneckerInverses inverse = Create(DampingStyle.PerFactor, 0.1, uses: null);
        var pair = new KroneckerPair(Spd(Inputs, 1), Spd(Outputs, 2));
        many.Update([pair], [4]);
        inverse.Update([pair]);
        Assert.Equal(Apply(inverse), Apply(many));
        many.Update([pair], [0]);
        Assert.Equal(Apply(inverse), Apply(many));
    }

    [Fact]
    public void A_factor_that_fails_is_tried_in_double_and_then_with_more_damping()
    {
        using KroneckerInverses solves = Create(DampingStyle.PerFactor, 1e-9, uses: 1);
        float[] ones = [.. Enumerable.Repeat(1f, Inputs * Inputs)];
        solves.Update([new KroneckerPair(_arena.Upload(Inputs, Inputs, ones), Spd(Outputs, 2))]);
        Assert.Equal([new NumericalEvent("layer", "A", NumericalEventKind.RetriedInDouble)], _events);
        Assert.All(Apply(solves), value => Assert.True(float.IsFinite(value)));

        _events.Clear();
        ones[(Inputs * Inputs) - 1] = 1 - 2e-9f;
        ones[0] = 1 - 1e-3f;
        solves.Update([new KroneckerPair(_arena.Upload(Inputs, Inputs, ones), Spd(Outputs, 2))]);
        Assert.Contains(new NumericalEvent("layer", "A", NumericalEventKind.DampingIncreased), _events);
    }

    [Fact]
    public void A_failure_keeps_the_last_good_factor_and_an_inverse_may_follow()
    {
        using KroneckerInverses inverses = Create(DampingStyle.PerFactor, 0.1, uses: 2);
        var good = new KroneckerPair(Spd(Inputs, 1), Spd(Outputs, 2));
        inverses.Update([good]);
        float[] before = Apply(inverses);
        float[] bad = DeviceMatrix.Spd(Inputs, 1);
        bad[0] = float.NaN;
        inverses.Update([good with { A = _arena.Upload(Inputs, Inputs, bad) }]);
        Assert.Equal(before, Apply(inverses));
        Assert.Equal([new NumericalEvent("layer", "A", NumericalEventKind.KeptLastInverse)], _events);

        ulong? mark = inverses.Mark;
        inverses.Update([good], [500]);
        Assert.NotEqual(mark, inverses.Mark);
        Assert.NotEqual(before, Apply(inverses));
        inverses.Update([good], [3]);
        Assert.Equal(before, Apply(inverses));
    }

    [Fact]
    public void Without_an_earlier_factor_a_layer_of_a_bad_one_stands_still()
    {
        using KroneckerInverses inverses = Create(DampingStyle.PerFactor, 0.1, uses: 1);
        float[] bad = DeviceMatrix.Spd(Inputs, 1);
        bad[0] = float.PositiveInfinity;
        inverses.Update([new KroneckerPair(_arena.Upload(Inputs, Inputs, bad), Spd(Outputs, 2))]);
        Assert.Equal([new NumericalEvent("layer", "A", NumericalEventKind.UsedScaledIdentity)], _events);
        Assert.All(Apply(inverses), value => Assert.Equal(0, value));
    }

    [Theory]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi)]
    [InlineData(CurvatureKind.Exact, DampingStyle.PerFactor)]
    [InlineData(CurvatureKind.ForwardOnly, DampingStyle.InputOnly)]
    public void Training_with_solves_is_training_with_inverses(CurvatureKind kind, DampingStyle style)
    {
        var options = new KfacOptions { Kind = kind, Style = style, Damping = 0.1, MovingAverage = 0.9, InverseInterval = 2 };
        float[] solves = Train(options, out IReadOnlyList<NumericalEventCount> events);
        float[] inverses = Train(options with { CholeskySolves = false }, out _);
        double[] reference = TestData.ToDouble(inverses);
        ErrorBound.AssertWithinAndSharp(solves, reference, DeviceMatrix.RelativeToLargest(reference, 1e-4), $"{kind}");
        Assert.NotEqual(inverses, solves);
        Assert.Empty(events);
    }

    [Fact]
    public void State_restores_the_bits_of_the_next_steps()
    {
        var options = new KfacOptions { Damping = 0.1, MovingAverage = 0.9, InverseInterval = 3 };
        FakeModel model = new(s_layers);
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        Steps(optimizer, model, parameters, 1, 4);
        var state = new MemoryState(_device);
        state.Save(optimizer);
        float[] values = parameters.Values;
        Steps(optimizer, model, parameters, 5, 9);

        var again = new FakeParameters(_device, _arena, s_layers);
        using var restored = new KfacOptimizer(_device, model, again.Set, options);
        _device.DefaultStream.Upload(values, again.Set.Values);
        state.Restore(restored);
        Steps(restored, model, again, 5, 9);
        Assert.Equal(parameters.Values, again.Values);
    }

    /// <summary>A GPU keeps inverses itself, and goes on with the factor of a checkpoint until its first one.</summary>
    [SkippableFact]
    public void A_factor_moves_to_a_gpu_and_back()
    {
        using Device gpu = TestDevice.Open(TestDevice.CudaHost);
        using var arena = new Arena(gpu);
        using KroneckerInverses saved = Create(DampingStyle.PerFactor, 0.1, uses: 1);
        saved.Update([new KroneckerPair(Spd(Inputs, 1), Spd(Outputs, 2))]);
        float[] expected = Apply(saved);
        var state = new MemoryState(_device);
        state.Save(saved);

        using KroneckerInverses restored = Create(gpu, DampingStyle.PerFactor, 0.1, uses: 1);
        ulong? before = restored.Mark;
        state.Restore(restored, gpu);
        Assert.NotEqual(before, restored.Mark);
        AssertUpdates("restored");

        var moved = new MemoryState(gpu);
        moved.Save(restored);
        using KroneckerInverses back = Create(DampingStyle.PerFactor, 0.1, uses: 1);
        moved.Restore(back, _device);
        Assert.Equal(expected, Apply(back));

        ulong? asFactor = restored.Mark;
        restored.Update([new KroneckerPair(
            arena.Upload(Inputs, Inputs, DeviceMatrix.Spd(Inputs, 1)), arena.Upload(Outputs, Outputs, DeviceMatrix.Spd(Outputs, 2)))]);
        Assert.NotEqual(asFactor, restored.Mark);
        AssertUpdates("inverse");
        Assert.Empty(_events);

        void AssertUpdates(string what)
        {
            double[] reference = TestData.ToDouble(expected);
            ErrorBound.AssertWithinAndSharp(Apply(restored, gpu, arena), reference, DeviceMatrix.RelativeToLargest(reference, 1e-5), what);
        }
    }

    [Fact]
    public void A_number_of_uses_below_one_is_refused() =>
        Assert.Throws<ArgumentException>(() => new InverseOptions { Uses = 0 }.Validate());

    private float[] Train(KfacOptions options, out IReadOnlyList<NumericalEventCount> events)
    {
        FakeModel model = new(s_layers);
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        Steps(optimizer, model, parameters, 1, 4);
        events = optimizer.Events;
        return parameters.Values;
    }

    private void Steps(KfacOptimizer optimizer, FakeModel model, FakeParameters parameters, int first, int last)
    {
        for (int t = first; t <= last; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, 20, (ulong)t);
            parameters.SetGradients((ulong)(1000 + t));
            optimizer.Step(model, parameters.Set, 0.1);
        }
    }

    private KroneckerInverses Create(DampingStyle style, double damping, int? uses) => Create(_device, style, damping, uses);

    private KroneckerInverses Create(Device device, DampingStyle style, double damping, int? uses) => KroneckerInverses.Create(
        device,
        [new KroneckerLayer("layer", Inputs, Outputs, HasBias: false)],
        new InverseOptions { Style = style, Damping = damping, Uses = uses, OnEvent = _events.Add });

    private MatrixView<float> Spd(int n, ulong seed) => _arena.Upload(n, n, DeviceMatrix.Spd(n, seed));

    private float[] Apply(KroneckerInverses inverses) => Apply(inverses, _device, _arena);

    private static float[] Apply(KroneckerInverses inverses, Device device, Arena arena)
    {
        MatrixView<float> gradient = arena.Upload(Outputs, Inputs, TestData.Uniform(Outputs * Inputs, 3));
        MatrixView<float> update = arena.Matrix<float>(Outputs, Inputs);
        inverses.Apply(0, gradient, update);
        return device.Read(update);
    }

    private float[] ApplyRows(KroneckerInverses inverses)
    {
        MatrixView<float> g = _arena.Upload(7, Outputs, TestData.Uniform(7 * Outputs, 4));
        MatrixView<float> x = _arena.Upload(7, Inputs, TestData.Uniform(7 * Inputs, 5));
        MatrixView<float> update = _arena.Matrix<float>(Outputs, Inputs);
        inverses.ApplyRows(0, g, x, 0.5f, update);
        return _device.Read(update);
    }
}
