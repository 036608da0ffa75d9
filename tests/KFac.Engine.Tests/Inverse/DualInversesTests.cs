using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>Factors of few rows, inverted through the small system of the rows: the updates and the failure policy of the matrix.</summary>
public sealed class DualInversesTests : IDisposable
{
    private const int Inputs = 40;
    private const int Outputs = 30;

    private static readonly KroneckerLayer[] s_layers = [new("first", Inputs - 1, Outputs, HasBias: true), new("second", Outputs, 50, HasBias: false)];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly List<NumericalEvent> _events = [];

    public DualInversesTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi, 0.1)]
    [InlineData(DampingStyle.PerFactor, 0.1)]
    [InlineData(DampingStyle.InputOnly, 0.1)]
    [InlineData(DampingStyle.PerFactor, 1e-9)]
    [InlineData(DampingStyle.PerFactor, 0)]
    public void Rows_and_the_matrix_that_they_make_give_the_same_update(DampingStyle style, double damping)
    {
        using KroneckerInverses dual = Create(style, damping);
        using KroneckerInverses primal = Create(style, damping);
        FactorRows a = Rows(6, Inputs, 1);
        FactorRows b = Rows(9, Outputs, 2);
        dual.Update([Pair(a, b)]);
        primal.Update([new KroneckerPair(Form(a), Form(b))]);

        MatrixView<float> gradient = _arena.Upload(Outputs, Inputs, TestData.Uniform(Outputs * Inputs, 3));
        float[] expected = Apply(primal, gradient);
        double[] reference = TestData.ToDouble(expected);
        if (damping >= 0.1)
        {
            ErrorBound.AssertWithinAndSharp(Apply(dual, gradient), reference, DeviceMatrix.RelativeToLargest(reference, 1e-4), $"{style}");
            Assert.NotEqual(expected, Apply(dual, gradient));
        }
        else
        {
            // Too small for the dual system: the factors are formed, and inverted as matrices are; only the trace, from which added
            // damping comes, has been summed in another order.
            ErrorBound.AssertWithin(Apply(dual, gradient), reference, DeviceMatrix.RelativeToLargest(reference, 1e-5), $"{style} {damping}");
            Assert.Equal(primal.Events, dual.Events);
        }

        MatrixView<float> x = _arena.Upload(3, Inputs, TestData.Uniform(3 * Inputs, 4));
        MatrixView<float> g = _arena.Upload(3, Outputs, TestData.Uniform(3 * Outputs, 5));
        reference = TestData.ToDouble(ApplyRows(primal, g, x));
        ErrorBound.AssertWithinAndSharp(ApplyRows(dual, g, x), reference, DeviceMatrix.RelativeToLargest(reference, 1e-4), $"{style} rows");
    }

    [Fact]
    public void A_failure_keeps_the_last_good_inverse_and_a_matrix_may_follow()
    {
        using KroneckerInverses inverses = Create(DampingStyle.PerFactor, 0.1);
        FactorRows good = Rows(6, Inputs, 1);
        FactorRows b = Rows(9, Outputs, 2);
        inverses.Update([Pair(good, b)]);
        MatrixView<float> gradient = _arena.Upload(Outputs, Inputs, TestData.Uniform(Outputs * Inputs, 3));
        float[] before = Apply(inverses, gradient);

        float[] bad = TestData.Uniform(5 * Inputs, 7);
        bad[17] = float.NaN;
        inverses.Update([Pair(new FactorRows(_arena.Upload(5, Inputs, bad), 0.2), b)]);
        Assert.Equal(before, Apply(inverses, gradient));
        Assert.Equal([new NumericalEvent("layer", "A", NumericalEventKind.KeptLastInverse)], _events);

        inverses.Update([new KroneckerPair(Form(good), Form(b))]);
        Assert.NotEqual(before, Apply(inverses, gradient));
        inverses.Update([Pair(good, b)]);
        Assert.Equal(before, Apply(inverses, gradient));
    }

    [Fact]
    public void Without_an_earlier_inverse_a_layer_of_bad_rows_stands_still()
    {
        using KroneckerInverses inverses = Create(DampingStyle.PerFactor, 0.1);
        inverses.Update([Pair(new FactorRows(_arena.Upload(1, Inputs, [.. Enumerable.Repeat(float.PositiveInfinity, Inputs)]), 1), Rows(9, Outputs, 2))]);
        Assert.Equal([new NumericalEvent("layer", "A", NumericalEventKind.UsedScaledIdentity)], _events);
        Assert.All(Apply(inverses, _arena.Upload(Outputs, Inputs, TestData.Uniform(Outputs * Inputs, 3))), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Rows_that_are_not_accepted_or_do_not_fit_are_refused()
    {
        using KroneckerInverses plain = KroneckerInverses.Create(
            _device, [new KroneckerLayer("layer", Inputs, Outputs, HasBias: false)], new InverseOptions { Style = DampingStyle.PerFactor });
        using KroneckerInverses inverses = Create(DampingStyle.PerFactor, 0.1);
        KroneckerPair pair = Pair(Rows(6, Inputs, 1), Rows(9, Outputs, 2));
        Assert.Throws<ArgumentException>(() => plain.Update([pair]));
        Assert.Throws<ArgumentException>(() => inverses.Update([pair with { RowsOfB = Rows(9, Inputs, 2) }]));
        Assert.Throws<ArgumentException>(() => inverses.Update([pair with { RowsOfA = pair.RowsOfA with { Weight = double.NaN } }]));
        Assert.Throws<ArgumentException>(() => new InverseOptions { Style = DampingStyle.Product, AcceptsRows = true }.Validate());
    }

    [Theory]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi, SharingApproximation.Expand)]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi, SharingApproximation.Reduce)]
    [InlineData(CurvatureKind.Exact, DampingStyle.PerFactor, SharingApproximation.Reduce)]
    [InlineData(CurvatureKind.Empirical, DampingStyle.PerFactor, SharingApproximation.Expand)]
    [InlineData(CurvatureKind.ForwardOnly, DampingStyle.InputOnly, SharingApproximation.Reduce)]
    public void Training_with_the_dual_system_is_training_without(CurvatureKind kind, DampingStyle style, SharingApproximation approximation)
    {
        var options = new KfacOptions { Kind = kind, Style = style, Approximation = approximation, Damping = 0.1, InverseInterval = 2, Samples = 2 };
        float[] dual = Train(options, 4, out IReadOnlyList<NumericalEventCount> events, out bool usedRows);
        float[] primal = Train(options with { DualInverses = false }, 4, out _, out bool neverRows);
        double[] reference = TestData.ToDouble(primal);
        ErrorBound.AssertWithinAndSharp(dual, reference, DeviceMatrix.RelativeToLargest(reference, 1e-4), $"{kind} {approximation}");
        Assert.NotEqual(primal, dual);
        Assert.Equal((true, false), (usedRows, neverRows));
        Assert.Empty(events);
    }

    [Fact]
    public void More_rows_than_pay_and_averages_over_time_are_left_to_the_matrix()
    {
        var options = new KfacOptions { Damping = 0.1, Approximation = SharingApproximation.Expand };
        Assert.Equal(Train(options with { DualInverses = false }, 21, out _, out _), Train(options, 21, out _, out bool rows));
        Assert.False(rows);
        options = options with { MovingAverage = 0.5 };
        Assert.Equal(Train(options with { DualInverses = false }, 4, out _, out _), Train(options, 4, out _, out rows));
        Assert.False(rows);
    }

    [Fact]
    public void State_restores_the_bits_of_the_next_steps()
    {
        var options = new KfacOptions { Damping = 0.1, FactorInterval = 3, InverseInterval = 2 };
        FakeModel model = new(s_layers);
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        Steps(optimizer, model, parameters, 1, 4, 4);
        var state = new MemoryState(_device);
        state.Save(optimizer);
        float[] values = parameters.Values;
        Steps(optimizer, model, parameters, 5, 12, 4);

        var again = new FakeParameters(_device, _arena, s_layers);
        using var restored = new KfacOptimizer(_device, model, again.Set, options);
        _device.DefaultStream.Upload(values, again.Set.Values);
        state.Restore(restored);
        Steps(restored, model, again, 5, 12, 4);
        Assert.Equal(parameters.Values, again.Values);
    }

    [Fact]
    public void A_batch_of_another_size_changes_the_form()
    {
        var options = new KfacOptions { Damping = 0.1 };
        Assert.Equal(Mixed(options).Length, Mixed(options with { DualInverses = false }).Length);
        double[] reference = TestData.ToDouble(Mixed(options with { DualInverses = false }));
        ErrorBound.AssertWithinAndSharp(Mixed(options), reference, DeviceMatrix.RelativeToLargest(reference, 1e-4), "batches of 4, 30 and 8");

        float[] Mixed(KfacOptions each)
        {
            FakeModel model = new(s_layers);
            var parameters = new FakeParameters(_device, _arena, s_layers);
            using var optimizer = new KfacOptimizer(_device, model, parameters.Set, each);
            Steps(optimizer, model, parameters, 1, 2, 4);
            Steps(optimizer, model, parameters, 3, 4, 30);
            Steps(optimizer, model, parameters, 5, 6, 8);
            return parameters.Values;
        }
    }

    private float[] Train(KfacOptions options, int examples, out IReadOnlyList<NumericalEventCount> events, out bool usedRows)
    {
        FakeModel model = new(s_layers);
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        Steps(optimizer, model, parameters, 1, 4, examples, options.Approximation == SharingApproximation.Reduce ? 3 : 1);
        events = optimizer.Events;
        usedRows = optimizer.Factors.Pairs[0].RowsOfA.AreGiven;
        return parameters.Values;
    }

    private void Steps(KfacOptimizer optimizer, FakeModel model, FakeParameters parameters, int first, int last, int examples, int sharing = 1)
    {
        for (int t = first; t <= last; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, examples, (ulong)t);
            if (sharing > 1)
            {
                Share(model, examples, sharing, (ulong)t);
            }

            parameters.SetGradients((ulong)(1000 + t));
            optimizer.Step(model, parameters.Set, 0.1);
        }
    }

    /// <summary>Rows that are shared, two seeds of them with a scale, the second layer used twice.</summary>
    private void Share(FakeModel model, int examples, int sharing, ulong seed)
    {
        DeviceStream stream = _device.DefaultStream;
        for (int layer = 0; layer < s_layers.Length; layer++)
        {
            model.Inputs[layer] = [.. Enumerable.Range(0, layer + 1).Select(use =>
                FakeModel.Rows(stream, _arena, examples, sharing, 1, s_layers[layer].InputWidth, (seed * 50) + (ulong)use))];
            model.Gradients[layer] = [.. Enumerable.Range(0, layer + 1).Select(use =>
                FakeModel.Rows(stream, _arena, examples, sharing, 2, s_layers[layer].OutputWidth, (seed * 50) + 10 + (ulong)use, scale: 1.5f))];
        }
    }

    private KroneckerInverses Create(DampingStyle style, double damping) => KroneckerInverses.Create(
        _device,
        [new KroneckerLayer("layer", Inputs, Outputs, HasBias: false)],
        new InverseOptions { Style = style, Damping = damping, AcceptsRows = true, OnEvent = _events.Add });

    private static KroneckerPair Pair(FactorRows a, FactorRows b) => default(KroneckerPair) with { RowsOfA = a, RowsOfB = b };

    private FactorRows Rows(int count, int width, ulong seed) =>
        new(_arena.Upload(count, width, TestData.Uniform(count * width, seed)), 1.0 / count);

    private MatrixView<float> Form(FactorRows rows)
    {
        MatrixView<float> matrix = _arena.Matrix<float>(rows.Rows.Columns, rows.Rows.Columns);
        Gram.Expand(_device.DefaultStream, rows.Rows, (float)rows.Weight, 0, matrix);
        return matrix;
    }

    private float[] Apply(KroneckerInverses inverses, MatrixView<float> gradient)
    {
        MatrixView<float> update = _arena.Matrix<float>(Outputs, Inputs);
        inverses.Apply(0, gradient, update);
        return _device.Read(update);
    }

    private float[] ApplyRows(KroneckerInverses inverses, MatrixView<float> g, MatrixView<float> x)
    {
        MatrixView<float> update = _arena.Matrix<float>(Outputs, Inputs);
        inverses.ApplyRows(0, g, x, 1, update);
        return _device.Read(update);
    }
}
