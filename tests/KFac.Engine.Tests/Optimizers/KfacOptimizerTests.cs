using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class KfacOptimizerTests : IDisposable
{
    private const int Examples = 12;

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;

    public KfacOptimizerTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi, null, false)]
    [InlineData(DampingStyle.FactoredPi, 0.05, false)]
    [InlineData(DampingStyle.PerFactor, 0.05, true)]
    [InlineData(DampingStyle.Product, null, true)]
    [InlineData(DampingStyle.Product, 0.05, false)]
    public void Steps_agree_with_float64(DampingStyle style, double? clip, bool nesterov)
    {
        FakeModel model = TwoLayers();
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        var options = new KfacOptions
        {
            Style = style,
            KlClip = clip,
            Nesterov = nesterov,
            MovingAverage = 0.7,
            Damping = 0.05,
            Momentum = 0.8,
            WeightDecay = 0.01,
        };
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        var reference = new ReferenceKfac(_device, model, parameters.Set, options);
        for (int t = 1; t <= 10; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, Examples, (ulong)t);
            float[] gradients = parameters.SetGradients((ulong)(1000 + t));
            optimizer.Step(model, parameters.Set, 0.2);
            reference.Step(TestData.ToDouble(gradients), 0.2);
            ErrorBound.AssertWithinAndSharp(
                parameters.Values,
                reference.Parameters,
                DeviceMatrix.RelativeToLargest(reference.Parameters, 1e-4),
                $"{style} clip={clip} t={t}");
        }

        Assert.Equal(clip is not null, reference.HasClipped);
        Assert.Empty(optimizer.Events);
        Assert.Equal("kfac", optimizer.Name);
    }

    [Theory]
    [InlineData(OtherParameterRule.FirstOrder, 0.99)]
    [InlineData(OtherParameterRule.Diagonal, 0.99)]
    [InlineData(OtherParameterRule.Diagonal, 0)]
    public void Other_parameters_follow_their_rule_as_in_float64_and_resume(OtherParameterRule rule, double decay)
    {
        FakeModel model = TwoLayers();
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        var other = new OtherParameterOptions { Rule = rule, Rate = 0.3, SecondMomentDecay = decay, Epsilon = 1e-3 };
        var options = new KfacOptions { KlClip = 0.05, Damping = 0.05, Momentum = 0.8, WeightDecay = 0.01, OtherParameters = other };
        var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        var reference = new ReferenceKfac(_device, model, parameters.Set, options with { MovingAverage = 0 });
        for (int t = 1; t <= 6; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, Examples, (ulong)t);
            float[] gradients = parameters.SetGradients((ulong)(1000 + t), t);
            optimizer.Step(model, parameters.Set, 0.2);
            reference.Step(TestData.ToDouble(gradients), 0.2);
            ErrorBound.AssertWithinAndSharp(
                parameters.Values, reference.Parameters, DeviceMatrix.RelativeToLargest(reference.Parameters, 1e-4), $"{rule} t={t}");
            var state = new MemoryState(_device);
            state.Save(optimizer);
            optimizer.Dispose();
            optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
            state.Restore(optimizer);
        }

        optimizer.Dispose();
    }

    [Fact]
    public void Clipping_bounds_the_quadratic_form_of_the_step()
    {
        const double Clip = 1e-3;
        const double Rate = 0.3;
        FakeModel model = TwoLayers();
        model.FillUniform(_device.DefaultStream, _arena, Examples, 1);
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        double[] before = TestData.ToDouble(parameters.Values);
        double[] gradients = TestData.ToDouble(parameters.SetGradients(2));
        var options = new KfacOptions { KlClip = Clip, Momentum = 0, Damping = 0.05 };
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        using var unclipped = new KfacOptimizer(_device, model, parameters.Set, options with { KlClip = null });

        optimizer.Step(model, parameters.Set, Rate);
        double[] clippedStep = [.. before.Zip(parameters.Values, (old, now) => (old - now) / Rate)];
        _device.DefaultStream.Upload([.. before.Select(value => (float)value)], parameters.Set.Values);
        unclipped.Step(model, parameters.Set, Rate);
        double[] fullStep = [.. before.Zip(parameters.Values, (old, now) => (old - now) / Rate)];

        int layers = before.Length - FakeParameters.PlainLength;
        double product = Enumerable.Range(0, layers).Sum(i => gradients[i] * fullStep[i]);
        double scale = Math.Sqrt(Clip / (Rate * Rate * product));
        Assert.True(scale < 1);
        for (int i = 0; i < before.Length; i++)
        {
            Assert.Equal(i < layers ? scale * fullStep[i] : gradients[i], clippedStep[i], 1e-5);
        }
    }

    [Theory]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi)]
    [InlineData(CurvatureKind.Exact, DampingStyle.Product)]
    [InlineData(CurvatureKind.Empirical, DampingStyle.PerFactor)]
    [InlineData(CurvatureKind.ForwardOnly, DampingStyle.InputOnly)]
    public void State_restores_the_bits_of_the_next_steps(CurvatureKind kind, DampingStyle style)
    {
        var options = new KfacOptions
        {
            Kind = kind,
            Style = style,
            MovingAverage = 0.9,
            FactorInterval = 2,
            InverseInterval = 3,
            KlClip = 0.1,
            Damping = 0.01,
        };
        FakeModel model = TwoLayers();
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        Run(optimizer, model, parameters, 1, 4);
        var state = new MemoryState(_device);
        state.Save(optimizer);
        float[] values = parameters.Values;
        Run(optimizer, model, parameters, 5, 9);

        var again = new FakeParameters(_device, _arena, model.Layers);
        using var restored = new KfacOptimizer(_device, model, again.Set, options);
        _device.DefaultStream.Upload(values, again.Set.Values);
        state.Restore(restored);
        Run(restored, model, again, 5, 9);
        Assert.Equal(parameters.Values, again.Values);
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.Product)]
    public void Any_number_of_threads_gives_the_same_bits(DampingStyle style)
    {
        float[] one = Values(1);
        Assert.Equal(one, Values(2));
        Assert.Equal(one, Values(3));

        float[] Values(int threads)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            var model = new FakeModel(new KroneckerLayer("first", 150, 90, HasBias: true), new KroneckerLayer("second", 90, 10, HasBias: false));
            var parameters = new FakeParameters(device, arena, model.Layers);
            var options = new KfacOptions { Style = style, MovingAverage = 0.9 };
            using var optimizer = new KfacOptimizer(device, model, parameters.Set, options);
            for (int t = 0; t < 3; t++)
            {
                model.FillUniform(device.DefaultStream, arena, 40, (ulong)t);
                parameters.SetGradients((ulong)t);
                optimizer.Step(model, parameters.Set, 0.1);
            }

            return parameters.Values;
        }
    }

    [Fact]
    public void Factors_follow_their_interval_and_every_update_draws_from_a_sequence_of_its_own()
    {
        FakeModel model = TwoLayers();
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        var options = new KfacOptions { FactorInterval = 3, InverseInterval = 6, Seed = 42, Samples = 2 };
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        var keys = new HashSet<PhiloxKey>();
        for (int t = 1; t <= 7; t++)
        {
            Run(optimizer, model, parameters, t, t);
            Assert.Equal((t + 2) / 3, model.GradientPasses);
            Assert.Equal((t + 2) / 3, optimizer.Factors.Updates);
            Assert.Equal((CurvatureKind.MonteCarlo, 2, 42UL), (model.LastRequest.Kind, model.LastRequest.Samples, model.LastRequest.Key.Seed));
            keys.Add(model.LastRequest.Key);
        }

        Assert.Equal(3, keys.Count);
    }

    [Fact]
    public void The_empirical_kind_takes_gradients_from_the_training_pass_when_factors_are_due()
    {
        FakeModel model = TwoLayers();
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        var options = new KfacOptions { Kind = CurvatureKind.Empirical, FactorInterval = 2, LowRankGradients = false };
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        for (int t = 0; t < 4; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, Examples, (ulong)t);
            ICaptureSink? sink = optimizer.TrainingPassSink;
            Assert.Equal(t % 2 == 0, sink is not null);
            if (sink is not null)
            {
                model.DeliverGradients(sink);
            }

            parameters.SetGradients((ulong)t);
            optimizer.Step(model, parameters.Set, 0.1);
        }

        Assert.Equal(0, model.GradientPasses);
        using var sampling = new KfacOptimizer(_device, model, parameters.Set, new KfacOptions { LowRankGradients = false });
        Assert.Null(sampling.TrainingPassSink);
    }

    [Fact]
    public void A_non_finite_gradient_is_named_and_nothing_changes()
    {
        FakeModel model = TwoLayers();
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, new KfacOptions());
        Run(optimizer, model, parameters, 1, 2);
        var before = new MemoryState(_device);
        before.Save(optimizer);
        float[] values = parameters.Values;

        ParameterBlock second = parameters.Set.Blocks[1];
        _device.DefaultStream.Upload([float.NaN], parameters.Set.Gradients.Slice(second.Offset + second.Columns + 2, 1));
        NonFiniteCaptureException exception = Assert.Throws<NonFiniteCaptureException>(
            () => optimizer.Step(model, parameters.Set, 0.1));

        Assert.Equal(("second.weight", "weight gradients", 1L, 2L), (exception.Layer, exception.Quantity, exception.Row, exception.Column));
        Assert.Equal(values, parameters.Values);
        Run(optimizer, model, parameters, 3, 3);
        float[] after = parameters.Values;
        _device.DefaultStream.Upload(values, parameters.Set.Values);
        before.Restore(optimizer);
        Run(optimizer, model, parameters, 3, 3);
        Assert.Equal(after, parameters.Values);
    }

    [Fact]
    public void Numerical_events_reach_the_optimizers_caller()
    {
        var model = new FakeModel(new KroneckerLayer("tiny", 1, 1, HasBias: false));
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        var events = new List<NumericalEvent>();
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, new KfacOptions { OnEvent = events.Add });
        model.FillUniform(_device.DefaultStream, _arena, 2, 1);
        _device.DefaultStream.Upload([1e30f, 1e30f], model.Inputs[0][0].Rows);
        parameters.SetGradients(1);

        optimizer.Step(model, parameters.Set, 0.1);

        Assert.Equal([new NumericalEvent("tiny", "A", NumericalEventKind.UsedScaledIdentity)], events);
        Assert.Equal([new NumericalEventCount("tiny", "usedScaledIdentity", 1)], optimizer.Events);
    }

    [Fact]
    public void Another_model_and_parameters_that_do_not_fit_are_refused()
    {
        FakeModel model = TwoLayers();
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, new KfacOptions());
        Assert.Throws<ArgumentException>(() => optimizer.Step(TwoLayers(), parameters.Set, 0.1));

        var wide = new FakeParameters(_device, _arena, [model.Layers[0], new KroneckerLayer("second", 5, 2, HasBias: false)]);
        AssertRefused(model, wide.Set, "Parameter 'second.weight' is 2×5; layer 'second' wants 2×4");
        var few = new FakeParameters(_device, _arena, [model.Layers[0]]);
        AssertRefused(model, few.Set, "Layer 'second' has no parameter");
        ParameterBlock first = parameters.Set.Blocks[0];
        AssertRefused(model, parameters.Set with { Blocks = [first, first] }, "wanted one parameter for each of 2 layers");
    }

    private void AssertRefused(FakeModel model, ParameterSet parameters, string message)
    {
        Exception exception = Assert.Throws<ArgumentException>(
            () => new KfacOptimizer(_device, model, parameters, new KfacOptions()));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    private void Run(KfacOptimizer optimizer, FakeModel model, FakeParameters parameters, int first, int last)
    {
        for (int t = first; t <= last; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, Examples, (ulong)t);
            parameters.SetGradients((ulong)(1000 + t));
            optimizer.Step(model, parameters.Set, 0.1);
        }
    }

    private static FakeModel TwoLayers() =>
        new(new KroneckerLayer("first", 3, 4, HasBias: true), new KroneckerLayer("second", 4, 2, HasBias: false));
}
