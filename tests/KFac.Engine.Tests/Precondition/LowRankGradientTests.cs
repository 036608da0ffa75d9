using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>Rows are used exactly where they make the gradient and pay, and give the update of the matrix.</summary>
public sealed class LowRankGradientTests : IDisposable
{
    private const int Rows = 4;
    private const double Rate = 0.1;

    private static readonly KroneckerLayer[] s_layers = [new("first", 23, 20, HasBias: true), new("second", 20, 31, HasBias: false)];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly FakeModel _model = new(s_layers);

    public LowRankGradientTests()
    {
        _arena = new Arena(_device);
        _model.FillUniform(_device.DefaultStream, _arena, 60, 1);
    }

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi, 0)]
    [InlineData(DampingStyle.FactoredPi, 1)]
    [InlineData(DampingStyle.PerFactor, 7)]
    [InlineData(DampingStyle.Product, 7)]
    [InlineData(DampingStyle.InputOnly, 7)]
    [InlineData(DampingStyle.FactoredPi, 40)]
    [InlineData(DampingStyle.Product, 40)]
    [InlineData(DampingStyle.InputOnly, 40)]
    public void Rows_and_their_product_give_the_same_update(DampingStyle style, int rows)
    {
        const int Inputs = 24;
        const int Outputs = 20;
        const float Scale = 0.7f;
        const double Damping = 0.05;
        using KroneckerInverses inverses = KroneckerInverses.Create(
            _device, [new KroneckerLayer("layer", Inputs, Outputs, HasBias: false)], new InverseOptions { Style = style, Damping = Damping });
        float[] a = DeviceMatrix.Spd(Inputs, 1);
        float[] b = DeviceMatrix.Spd(Outputs, 2);
        inverses.Update([new KroneckerPair(_arena.Upload(Inputs, Inputs, a), _arena.Upload(Outputs, Outputs, b))]);
        float[] x = TestData.Uniform(rows * Inputs, 3);
        float[] g = TestData.Uniform(rows * Outputs, 4);
        var update = new GuardedMatrix<float>(_device.DefaultStream, _arena, Outputs, Inputs, gap: 3);

        inverses.ApplyRows(0, _arena.Upload(rows, Outputs, g), _arena.Upload(rows, Inputs, x), Scale, update.View);

        double[] gradient = GemmReference.Multiply(
            true, false, Scale, TestData.ToDouble(g), TestData.ToDouble(x), 0, [], Outputs, Inputs, rows);
        double[] expected = Expected(style, TestData.ToDouble(a), Inputs, TestData.ToDouble(b), Outputs, gradient, Damping);
        ErrorBound.AssertWithinAndSharp(
            update.Read(), expected, DeviceMatrix.RelativeToLargest(expected, 2e-4), $"{style} {rows}");
        update.AssertGuards();
        Assert.InRange(inverses.MostRows(0), 8, Inputs);

        MatrixView<float> again = _arena.Matrix<float>(Outputs, Inputs);
        Preconditioner.ApplyRows(
            _device.DefaultStream, _arena.Upload(Inputs, Inputs, a), _arena.Upload(Outputs, Outputs, b), _arena.Upload(rows, Outputs, g), _arena.Upload(rows, Inputs, x), Damping, style, again);
        double[] unscaled = [.. expected.Select(value => value / Scale)];
        ErrorBound.AssertWithin(_device.Read(again), unscaled, DeviceMatrix.RelativeToLargest(unscaled, 2e-4), "preconditioner");
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi, CurvatureKind.MonteCarlo)]
    [InlineData(DampingStyle.PerFactor, CurvatureKind.Exact)]
    [InlineData(DampingStyle.Product, CurvatureKind.Empirical)]
    [InlineData(DampingStyle.InputOnly, CurvatureKind.ForwardOnly)]
    public void Steps_by_rows_are_the_steps_by_gradients(DampingStyle style, CurvatureKind kind)
    {
        var options = new KfacOptions { Style = style, Kind = kind, MovingAverage = 0.8, Damping = 0.05, KlClip = 0.01, WeightDecay = 0.01 };
        (float[] rows, float[] matrix) = Train(options, static (_, _) => { }, twice: 1);
        AssertClose(rows, matrix);
        Assert.NotEqual(matrix, rows);

        (float[] taken, _) = Train(options, static (_, _) => { }, twice: 1, mayTake: true);
        AssertClose(taken, matrix);
        Assert.NotEqual(matrix, taken);
    }

    [Fact]
    public void Rows_in_place_of_gradients_give_their_bits()
    {
        var options = new KfacOptions { Damping = 0.05, KlClip = 1e-3, MovingAverage = 0.8 };
        (float[] sealedRows, _) = Train(options, static (_, _) => { });
        (float[] taken, _) = Train(options, static (_, _) => { }, mayTake: true);
        Assert.Equal(sealedRows, taken);
    }

    [Fact]
    public void Rows_of_a_layer_that_exceeds_later_are_added_to_its_gradient()
    {
        var options = new KfacOptions { Damping = 0.05 };
        (float[] rows, float[] matrix) = Train(options, static (_, _) => { }, twice: 1, mayTake: true, more: 30);
        AssertClose(rows, matrix);
    }

    [Fact]
    public void Gradients_whose_rows_were_taken_are_formed_when_asked_for()
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        var pass = new FakeTrainingPass(_device, _arena, s_layers, parameters.Set);
        using var optimizer = new KfacOptimizer(_device, _model, parameters.Set, new KfacOptions { Damping = 0.05 });
        MatrixView<float> gradients = parameters.Set.Gradients.AsMatrix(1, parameters.Set.Gradients.Length);
        pass.Run(null, Rows, 1, twice: 0);
        double[] expected = TestData.ToDouble(_device.Read(gradients));
        ITrainingSink sink = optimizer.TrainingPassSink!;
        pass.Run(sink, Rows, 1, twice: 0, mayTake: true);
        Assert.All(_device.Read(gradients)[..^FakeParameters.PlainLength], static value => Assert.Equal(float.NaN, value));

        sink.FormGradients(parameters.Set);
        sink.FormGradients(parameters.Set);

        ErrorBound.AssertWithinAndSharp(_device.Read(gradients), expected, DeviceMatrix.RelativeToLargest(expected, 1e-6), "gradients");
    }

    [Fact]
    public void Clipping_forms_gradients_whose_rows_were_taken()
    {
        using var clipping = new GradientClipping(_device, 0.5);
        void Clip(ParameterSet parameters, ITrainingSink? sink) => Assert.True(clipping.Apply(parameters, sink) > 0.5);
        var options = new KfacOptions { Damping = 0.05, KlClip = null };
        (float[] rows, float[] matrix) = Train(options, Clip, mayTake: true);
        AssertClose(rows, matrix);
        Assert.NotEqual(matrix, rows);
    }

    [Fact]
    public void Rows_that_were_taken_are_good_for_one_step()
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        var pass = new FakeTrainingPass(_device, _arena, s_layers, parameters.Set);
        using var optimizer = new KfacOptimizer(_device, _model, parameters.Set, new KfacOptions { Damping = 0.05 });
        pass.Run(optimizer.TrainingPassSink, Rows, 1, mayTake: true);
        optimizer.Step(_model, parameters.Set, Rate);
        float[] before = parameters.Values;

        Exception exception = Assert.Throws<InvalidOperationException>(() => optimizer.Step(_model, parameters.Set, Rate));

        Assert.Contains("run another pass", exception.Message, StringComparison.Ordinal);
        Assert.Equal(before, parameters.Values);
        pass.Run(optimizer.TrainingPassSink, Rows, 2);
        optimizer.Step(_model, parameters.Set, Rate);
        Assert.NotEqual(before, parameters.Values);
    }

    /// <summary>The second layer has too many rows, so that its gradient stands beside the first one's rows.</summary>
    [Theory]
    [InlineData("first", "inputs", 2, 5)]
    [InlineData("first", "output gradients", 1, 7)]
    [InlineData("second.weight", "weight gradients", 3, 4)]
    public void A_non_finite_row_that_was_taken_is_refused(string name, string quantity, int row, int column)
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using var optimizer = new KfacOptimizer(_device, _model, parameters.Set, new KfacOptions { Damping = 0.05 });
        float[] before = parameters.Values;
        MatrixView<float> x = _arena.Upload(Rows, 23, TestData.Uniform(Rows * 23, 1));
        MatrixView<float> g = _arena.Upload(Rows, 20, TestData.Uniform(Rows * 20, 2));
        ParameterBlock second = parameters.Set.Blocks[1];
        parameters.SetGradients(3);
        MatrixView<float> bad = quantity == "inputs" ? x : quantity == "output gradients" ? g : parameters.Set.GradientsOf(second);
        _device.DefaultStream.Upload([float.NegativeInfinity], bad.Row(row).Slice(column, 1));
        ITrainingSink sink = optimizer.TrainingPassSink!;
        sink.BeginPass(mayTake: true);
        Assert.True(sink.WeightGradient(0, x, g));
        Assert.False(sink.WeightGradient(1, _arena.Upload(40, 20, new float[800]), _arena.Upload(40, 31, new float[1240])));
        sink.EndPass(parameters.Set);

        NonFiniteCaptureException exception = Assert.Throws<NonFiniteCaptureException>(() => optimizer.Step(_model, parameters.Set, Rate));

        Assert.Equal((name, (long)row, (long)column), (exception.Layer, exception.Row, exception.Column));
        Assert.Contains(quantity, exception.Message, StringComparison.Ordinal);
        Assert.Equal(before, parameters.Values);
    }

    public static TheoryData<string> Changes { get; } = ["scaled", "negated", "one bit", "decayed", "clipped without the sink", "of another pass"];

    [Theory]
    [MemberData(nameof(Changes))]
    public void Gradients_that_were_changed_after_the_pass_are_used_as_they_are(string change)
    {
        (float[] rows, float[] matrix) = Train(new KfacOptions { Damping = 0.05 }, (parameters, _) => Change(change, parameters));
        Assert.Equal(matrix, rows);
    }

    [Fact]
    public void Clipping_with_the_sink_scales_the_rows()
    {
        using var clipping = new GradientClipping(_device, 0.5);
        (float[] rows, float[] matrix) = Train(new KfacOptions { Damping = 0.05, KlClip = null }, (parameters, sink) =>
        {
            Assert.True(clipping.Apply(parameters, sink) > 0.5);
            clipping.Apply(parameters, sink);
        });
        AssertClose(rows, matrix);
        Assert.NotEqual(matrix, rows);
    }

    [Fact]
    public void Clipping_of_changed_gradients_does_not_bring_the_rows_back()
    {
        using var clipping = new GradientClipping(_device, 0.5);
        (float[] rows, float[] matrix) = Train(new KfacOptions { Damping = 0.05 }, (parameters, sink) =>
        {
            Change("negated", parameters);
            clipping.Apply(parameters, sink);
        });
        Assert.Equal(matrix, rows);
    }

    [Fact]
    public void More_rows_than_pay_are_left_to_the_gradient()
    {
        (float[] rows, float[] matrix) = Train(new KfacOptions { Damping = 0.05 }, static (_, _) => { }, count: 30);
        Assert.Equal(matrix, rows);
        (rows, matrix) = Train(new KfacOptions { Damping = 0.05 }, static (_, _) => { }, count: 9, twice: 0);
        Assert.NotEqual(matrix, rows);
        AssertClose(rows, matrix);
    }

    [Fact]
    public void A_second_pass_replaces_the_first()
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        var pass = new FakeTrainingPass(_device, _arena, s_layers, parameters.Set);
        using var optimizer = new KfacOptimizer(_device, _model, parameters.Set, new KfacOptions { Damping = 0.05 });
        ITrainingSink sink = optimizer.TrainingPassSink!;
        pass.Run(sink, Rows, 1);
        pass.Deliver(sink);
        optimizer.Step(_model, parameters.Set, Rate);

        var again = new FakeParameters(_device, _arena, s_layers);
        pass = new FakeTrainingPass(_device, _arena, s_layers, again.Set);
        using var once = new KfacOptimizer(_device, _model, again.Set, new KfacOptions { Damping = 0.05 });
        pass.Run(once.TrainingPassSink, Rows, 1);
        once.Step(_model, again.Set, Rate);
        Assert.Equal(again.Values, parameters.Values);
    }

    [Fact]
    public void A_non_finite_row_is_refused_as_the_gradient_that_it_makes()
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        var pass = new FakeTrainingPass(_device, _arena, s_layers, parameters.Set);
        using var optimizer = new KfacOptimizer(_device, _model, parameters.Set, new KfacOptions { Damping = 0.05 });
        float[] before = parameters.Values;
        ITrainingSink sink = optimizer.TrainingPassSink!;
        pass.Run(sink, Rows, 1);
        _device.DefaultStream.Upload([float.PositiveInfinity], parameters.Set.Gradients.Slice(5, 1));
        pass.Deliver(sink);

        NonFiniteCaptureException exception = Assert.Throws<NonFiniteCaptureException>(() => optimizer.Step(_model, parameters.Set, Rate));

        Assert.Equal(("first.weight", 0L, 5L), (exception.Layer, exception.Row, exception.Column));
        Assert.Equal(before, parameters.Values);
    }

    [Fact]
    public void Rows_that_do_not_fit_their_layer_are_refused()
    {
        var parameters = new FakeParameters(_device, _arena, s_layers);
        using var optimizer = new KfacOptimizer(_device, _model, parameters.Set, new KfacOptions());
        ITrainingSink sink = optimizer.TrainingPassSink!;
        MatrixView<float> inputs = _arena.Upload(2, 23, new float[46]);
        MatrixView<float> gradients = _arena.Upload(2, 20, new float[40]);
        Exception layer = Assert.Throws<ArgumentException>(() => sink.WeightGradient(2, inputs, gradients));
        Assert.Contains("Layer 2 handed over rows, but the model has 2 layers", layer.Message, StringComparison.Ordinal);
        Exception width = Assert.Throws<ArgumentException>(() => sink.WeightGradient(0, gradients, gradients));
        Assert.Contains("wanted equally many rows of widths 23 and 20", width.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => sink.WeightGradient(0, inputs, gradients.RowRange(0, 1)));
    }

    private static double[] Expected(DampingStyle style, double[] a, int n, double[] b, int m, double[] gradient, double damping)
    {
        double pi = Preconditioning.Pi(a, n, b, m);
        return style switch
        {
            DampingStyle.Product => Preconditioning.Dense(a, n, b, m, gradient, damping),
            DampingStyle.FactoredPi => Preconditioning.Factored(a, n, pi * Math.Sqrt(damping), b, m, Math.Sqrt(damping) / pi, gradient),
            DampingStyle.PerFactor => Preconditioning.Factored(a, n, damping, b, m, damping, gradient),
            _ => Preconditioning.Factored(
                a, n, damping, TestData.ToDouble(DeviceMatrix.Diagonal([.. Enumerable.Repeat(1f, m)])), m, 0, gradient),
        };
    }

    private void Change(string change, ParameterSet parameters)
    {
        DeviceStream stream = _device.DefaultStream;
        MatrixView<float> gradients = parameters.Gradients.AsMatrix(1, parameters.Gradients.Length);
        float[] values = _device.Read(gradients);
        switch (change)
        {
            case "scaled":
                Elementwise.Axpby(stream, 0.5f, gradients, 0, gradients);
                break;
            case "negated":
                Elementwise.Axpby(stream, -1, gradients, 0, gradients);
                break;
            case "one bit":
                stream.Upload([MathF.BitIncrement(values[77])], parameters.Gradients.Slice(77, 1));
                break;
            case "decayed":
                Elementwise.Axpby(stream, 1e-4f, parameters.Values.AsMatrix(1, parameters.Values.Length), 1, gradients);
                break;
            case "clipped without the sink":
                using (var clipping = new GradientClipping(_device, 0.5))
                {
                    clipping.Apply(parameters);
                }

                break;
            default:
                stream.Upload(TestData.Uniform(values.Length, 99), parameters.Gradients);
                break;
        }
    }

    /// <summary>Parameters after three steps, once with rows and once without, from the same gradients.</summary>
    private (float[] Rows, float[] Matrix) Train(
        KfacOptions options, Action<ParameterSet, ITrainingSink?> afterPass, int twice = -1, int count = Rows, bool mayTake = false, int? more = null)
    {
        return (Run(true), Run(false));

        float[] Run(bool lowRank)
        {
            var parameters = new FakeParameters(_device, _arena, s_layers);
            var pass = new FakeTrainingPass(_device, _arena, s_layers, parameters.Set);
            using var optimizer = new KfacOptimizer(_device, _model, parameters.Set, options with { LowRankGradients = lowRank });
            for (ulong step = 1; step <= 3; step++)
            {
                ITrainingSink? sink = optimizer.TrainingPassSink;
                if (options.Kind == CurvatureKind.Empirical)
                {
                    _model.DeliverGradients(sink!);
                }

                pass.Run(sink, count, step, twice, mayTake, more);
                afterPass(parameters.Set, sink);
                optimizer.Step(_model, parameters.Set, Rate);
            }

            return parameters.Values;
        }
    }

    private static void AssertClose(float[] actual, float[] expected)
    {
        double[] reference = TestData.ToDouble(expected);
        ErrorBound.AssertWithinAndSharp(actual, reference, DeviceMatrix.RelativeToLargest(reference, 1e-4), "parameters");
    }
}
