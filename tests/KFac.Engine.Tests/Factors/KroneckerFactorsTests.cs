using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class KroneckerFactorsTests : IDisposable
{
    private static readonly PhiloxKey s_key = new(7, 11);

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;

    public KroneckerFactorsTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(0.95)]
    public void Moving_average_with_bias_correction_agrees_with_float64(double m)
    {
        const int Examples = 6;
        FakeModel model = TwoLayers();
        using var factors = new KroneckerFactors(_device, model, new FactorOptions { MovingAverage = m });
        var average = new double[2][];
        for (int t = 1; t <= 8; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, Examples, (ulong)t);
            factors.Update(s_key);
            double[][] batch = [BatchA(model, 1, SharingApproximation.Reduce), BatchB(model, 1, 1)];
            for (int i = 0; i < 2; i++)
            {
                average[i] = [.. batch[i].Select((value, j) => (m * (average[i]?[j] ?? 0)) + ((1 - m) * value))];
            }

            double correction = 1 - Math.Pow(m, t);
            AssertClose(factors.Pairs[1].A, [.. average[0].Select(value => value / correction)], $"A, m={m}, t={t}");
            AssertClose(factors.Pairs[1].B, [.. average[1].Select(value => value / correction)], $"B, m={m}, t={t}");
            Assert.Equal(t, factors.Updates);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.9)]
    public void A_layer_used_twice_averages_its_inputs_over_all_rows_and_adds_its_gradients(double m)
    {
        var model = new FakeModel(new KroneckerLayer("shared", 3, 2, HasBias: true)) { LossTerms = 4 };
        DeviceStream stream = _device.DefaultStream;
        model.Inputs[0] = [FakeModel.Rows(stream, _arena, 4, 2, 1, 3, 1), FakeModel.Rows(stream, _arena, 4, 3, 1, 3, 2)];
        model.Gradients[0] = [FakeModel.Rows(stream, _arena, 4, 2, 2, 2, 3), FakeModel.Rows(stream, _arena, 4, 3, 2, 2, 4, scale: 2)];
        var options = new FactorOptions { MovingAverage = m, Kind = CurvatureKind.Exact, Approximation = SharingApproximation.Expand };
        using var factors = new KroneckerFactors(_device, model, options);

        for (int t = 0; t < 3; t++)
        {
            factors.Update(s_key);
            AssertClose(factors.Pairs[0].A, BatchA(model, 0, SharingApproximation.Expand), $"A after {t + 1} equal batches");
            AssertClose(factors.Pairs[0].B, BatchB(model, 0, 1), $"B after {t + 1} equal batches");
        }
    }

    /// <summary>The second layer's inputs are those of the first in some passes; without <see cref="LayerRows.Source"/> nothing is shared. A pass in
    /// which they differ parts the averages for good, a restored state is as good as one that was computed.</summary>
    [Theory]
    [InlineData(0, false)]
    [InlineData(0.9, false)]
    [InlineData(0.9, true)]
    public void Layers_with_one_input_have_one_A_whether_it_is_shared_or_not(double m, bool restores)
    {
        DeviceStream stream = _device.DefaultStream;
        var options = new FactorOptions { MovingAverage = m, Kind = CurvatureKind.ForwardOnly };
        var model = new FakeModel(
            new KroneckerLayer("first", 3, 4, HasBias: true), new KroneckerLayer("second", 3, 2, HasBias: true), new KroneckerLayer("third", 3, 2, HasBias: false));
        using var shared = new KroneckerFactors(_device, model, options);
        using var apart = new KroneckerFactors(_device, model, options);
        for (int pass = 0; pass < 8; pass++)
        {
            LayerRows one = FakeModel.Rows(stream, _arena, 4, 2, 1, 3, (ulong)pass);
            LayerRows other = pass is 3 or 4 ? FakeModel.Rows(stream, _arena, 4, 2, 1, 3, (ulong)(100 + pass)) : one;
            (model.Inputs[0], model.Inputs[1], model.Inputs[2]) = ([one], [other], [one]);
            apart.Update(s_key);
            model.Inputs[0] = [one with { Source = 1 }];
            model.Inputs[1] = [other with { Source = pass is 3 or 4 ? 2 : 1 }];
            model.Inputs[2] = [one with { Source = 1 }];
            shared.Update(s_key);
            if (restores)
            {
                shared.VisitState(new NothingVisitor());
            }

            Assert.Equal(ReadAll(apart), ReadAll(shared));
        }
    }

    [Fact]
    public void One_search_finds_what_is_not_finite_in_an_input_of_two_layers()
    {
        DeviceStream stream = _device.DefaultStream;
        var model = new FakeModel(new KroneckerLayer("first", 3, 4, HasBias: true), new KroneckerLayer("second", 3, 2, HasBias: true));
        LayerRows rows = FakeModel.Rows(stream, _arena, 4, 2, 1, 3, 1) with { Source = 1 };
        (model.Inputs[0], model.Inputs[1]) = ([rows], [rows]);
        Elementwise.Fill(stream, float.NaN, rows.Rows.Slice(5, 1, 1, 1));
        using var factors = new KroneckerFactors(_device, model, new FactorOptions { Kind = CurvatureKind.ForwardOnly });
        NonFiniteCaptureException error = Assert.Throws<NonFiniteCaptureException>(() => factors.Update(s_key));
        Assert.Equal(("first", 5L, 1L), (error.Layer, error.Row, error.Column));
    }

    [Fact]
    public void Samples_divide_B_and_a_mean_reduced_loss_divides_it_by_its_terms()
    {
        FakeModel model = TwoLayers();
        model.FillUniform(_device.DefaultStream, _arena, 5, 1, seeds: 3);
        model.LossTerms = 20;
        using var factors = new KroneckerFactors(_device, model, new FactorOptions { Samples = 3 }, LossReduction.Mean);

        factors.Update(s_key);

        Assert.Equal((CurvatureKind.MonteCarlo, 3, s_key), model.LastRequest);
        AssertClose(factors.Pairs[0].B, BatchB(model, 0, 3 * 20), "B");
    }

    [Fact]
    public void The_setting_comes_from_the_layer_then_the_model_then_the_loss()
    {
        FakeModel model = TwoLayers();
        DeviceStream stream = _device.DefaultStream;
        for (int layer = 0; layer < 2; layer++)
        {
            model.Inputs[layer] = [FakeModel.Rows(stream, _arena, 3, 4, 1, model.Layers[layer].InputWidth, 1)];
        }

        (SharingApproximation? Model, SharingApproximation? Layer, SharingApproximation Loss, SharingApproximation Wanted)[] cases =
        [
            (null, null, SharingApproximation.Expand, SharingApproximation.Expand),
            (null, null, SharingApproximation.Reduce, SharingApproximation.Reduce),
            (SharingApproximation.Reduce, null, SharingApproximation.Expand, SharingApproximation.Reduce),
            (SharingApproximation.Reduce, SharingApproximation.Expand, SharingApproximation.Reduce, SharingApproximation.Expand),
        ];
        foreach ((SharingApproximation? ofModel, SharingApproximation? ofLayer, SharingApproximation ofLoss, SharingApproximation wanted) in cases)
        {
            model.LossSetting = ofLoss;
            var options = new FactorOptions { Kind = CurvatureKind.ForwardOnly, Approximation = ofModel };
            if (ofLayer is { } own)
            {
                options = options with { LayerApproximations = new Dictionary<string, SharingApproximation> { ["second"] = own } };
            }

            using var factors = new KroneckerFactors(_device, model, options);
            factors.Update(s_key);
            AssertClose(factors.Pairs[1].A, BatchA(model, 1, wanted), $"model {ofModel}, layer {ofLayer}, loss {ofLoss}");
        }
    }

    [Fact]
    public void An_override_of_an_unknown_layer_lists_the_known_ones()
    {
        var options = new FactorOptions
        {
            LayerApproximations = new Dictionary<string, SharingApproximation> { ["thrid"] = SharingApproximation.Reduce },
        };

        Exception exception = Assert.Throws<ArgumentException>(() => new KroneckerFactors(_device, TwoLayers(), options));

        Assert.Contains("'thrid'", exception.Message, StringComparison.Ordinal);
        Assert.Contains("it has first, second", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, float.NaN)]
    [InlineData(true, float.PositiveInfinity)]
    [InlineData(false, float.NaN)]
    [InlineData(false, float.NegativeInfinity)]
    public void A_non_finite_row_is_named_and_no_average_is_touched(bool inInputs, float bad)
    {
        FakeModel model = TwoLayers();
        using var factors = new KroneckerFactors(_device, model, new FactorOptions { MovingAverage = 0.9 });
        model.FillUniform(_device.DefaultStream, _arena, 6, 1);
        factors.Update(s_key);
        var before = new MemoryState(_device);
        before.Save(factors);
        float[][] bits = ReadAll(factors);

        model.FillUniform(_device.DefaultStream, _arena, 6, 2);
        LayerRows rows = inInputs ? model.Inputs[1][0] : model.Gradients[0][0];
        _device.DefaultStream.Upload([bad, bad], rows.Rows.Slice(4, 1, 1, 2).Row(0));
        NonFiniteCaptureException exception = Assert.Throws<NonFiniteCaptureException>(() => factors.Update(s_key));

        Assert.Equal(inInputs ? "second" : "first", exception.Layer);
        Assert.Equal(inInputs ? "inputs" : "output gradients", exception.Quantity);
        Assert.Equal((4, 1), (exception.Row, exception.Column));
        Assert.Contains("row 4, column 1", exception.Message, StringComparison.Ordinal);
        Assert.Equal(bits, ReadAll(factors));
        Assert.Equal(1, factors.Updates);

        model.FillUniform(_device.DefaultStream, _arena, 6, 3);
        factors.Update(s_key);
        float[][] after = ReadAll(factors);
        before.Restore(factors);
        factors.Update(s_key);
        Assert.Equal(after, ReadAll(factors));
    }

    [Fact]
    public void A_layer_that_hands_over_nothing_is_named()
    {
        FakeModel model = TwoLayers();
        using var factors = new KroneckerFactors(_device, model, new FactorOptions());
        model.FillUniform(_device.DefaultStream, _arena, 6, 1);
        model.Gradients[1].Clear();
        Exception gradients = Assert.Throws<InvalidOperationException>(() => factors.Update(s_key));
        Assert.Contains("'second' handed over no output gradients", gradients.Message, StringComparison.Ordinal);

        model.FillUniform(_device.DefaultStream, _arena, 6, 1);
        model.Inputs[0].Clear();
        Exception inputs = Assert.Throws<InvalidOperationException>(() => factors.Update(s_key));
        Assert.Contains("'first' handed over no inputs", inputs.Message, StringComparison.Ordinal);
        Assert.Equal(0, factors.Updates);
    }

    [Fact]
    public void Rows_that_do_not_fit_the_layer_are_refused()
    {
        FakeModel model = TwoLayers();
        using var factors = new KroneckerFactors(_device, model, new FactorOptions());
        model.FillUniform(_device.DefaultStream, _arena, 6, 1);
        model.Inputs[1] = model.Inputs[0];
        Exception width = Assert.Throws<ArgumentException>(() => factors.Update(s_key));
        Assert.Contains("Layer 'second' handed over a 6×3 matrix", width.Message, StringComparison.Ordinal);

        model.Inputs[1] = [FakeModel.Rows(_device.DefaultStream, _arena, 6, 1, 2, 4, 1)];
        Exception seeds = Assert.Throws<ArgumentException>(() => factors.Update(s_key));
        Assert.Contains("inputs with 2 seeds and scale 1; wanted 1 and 1", seeds.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_empirical_kind_takes_the_training_passs_gradients_once()
    {
        FakeModel model = TwoLayers();
        using var factors = new KroneckerFactors(_device, model, new FactorOptions { Kind = CurvatureKind.Empirical });
        model.FillUniform(_device.DefaultStream, _arena, 6, 1);

        model.DeliverGradients(factors.BeginTrainingPass());
        model.DeliverGradients(factors.BeginTrainingPass());
        factors.Update(s_key);
        Assert.Equal(0, model.GradientPasses);
        AssertClose(factors.Pairs[0].B, BatchB(model, 0, 1), "B of the training pass");

        factors.Update(s_key);
        Assert.Equal(1, model.GradientPasses);
        AssertClose(factors.Pairs[0].B, BatchB(model, 0, 1), "B of a pass of its own");
    }

    [Fact]
    public void Only_the_empirical_kind_wants_the_training_pass()
    {
        using var factors = new KroneckerFactors(_device, TwoLayers(), new FactorOptions());
        Assert.Throws<InvalidOperationException>(factors.BeginTrainingPass);
    }

    [Fact]
    public void Forward_only_asks_for_no_gradients()
    {
        FakeModel model = TwoLayers();
        model.FillUniform(_device.DefaultStream, _arena, 6, 1);
        using var factors = new KroneckerFactors(_device, model, new FactorOptions { Kind = CurvatureKind.ForwardOnly });

        factors.Update(s_key);

        Assert.Equal(0, model.GradientPasses);
        Assert.True(factors.Pairs[0].B.IsEmpty);
        AssertClose(factors.Pairs[0].A, BatchA(model, 0, SharingApproximation.Reduce), "A");
    }

    private static FakeModel TwoLayers() =>
        new(new KroneckerLayer("first", 3, 4, HasBias: true), new KroneckerLayer("second", 4, 2, HasBias: false));

    private float[][] ReadAll(KroneckerFactors factors)
    {
        var result = new List<float[]>();
        foreach (KroneckerPair pair in factors.Pairs)
        {
            result.Add(_device.Read(pair.A));
            result.Add(_device.Read(pair.B));
        }

        return [.. result];
    }

    private double[] BatchA(FakeModel model, int layer, SharingApproximation approximation)
    {
        KroneckerLayer description = model.Layers[layer];
        int width = description.FactorInputWidth;
        var sum = new double[width * width];
        double total = model.Inputs[layer].Sum(rows => Count(rows));
        foreach (LayerRows rows in model.Inputs[layer])
        {
            double[] factor = Reference(rows, approximation)
                .Input(_device.ReadDouble(rows.Rows), description.InputWidth, description.HasBias);
            Add(factor, Count(rows) / total, sum);
        }

        return sum;

        double Count(LayerRows rows) =>
            approximation == SharingApproximation.Expand ? rows.Examples * rows.Sharing : rows.Examples;
    }

    private double[] BatchB(FakeModel model, int layer, double divisor)
    {
        int width = model.Layers[layer].OutputWidth;
        var sum = new double[width * width];
        foreach (LayerRows rows in model.Gradients[layer])
        {
            double[] factor = Reference(rows, SharingApproximation.Expand)
                .Output(_device.ReadDouble(rows.Rows), width, rows.Seeds, rows.Scale, 1);
            Add(factor, 1 / divisor, sum);
        }

        return sum;
    }

    private static Reference.KroneckerFactors Reference(LayerRows rows, SharingApproximation approximation) =>
        new(
            [.. Enumerable.Range(0, rows.Examples + 1).Select(n => n * rows.Sharing)],
            IsRagged: false,
            approximation == SharingApproximation.Reduce);

    private static void Add(double[] factor, double weight, double[] sum)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] += weight * factor[i];
        }
    }

    private void AssertClose(MatrixView<float> actual, double[] expected, string what) =>
        ErrorBound.AssertWithinAndSharp(
            _device.Read(actual), expected, DeviceMatrix.RelativeToLargest(expected, ErrorBound.Gamma(60)), what);

    /// <summary>Restores what is there.</summary>
    private sealed class NothingVisitor : IStateVisitor
    {
        public void Vector(string name, VectorView<float> view)
        {
        }

        public void Integer(string name, ref long value)
        {
        }

        public void Real(string name, ref double value)
        {
        }
    }
}
