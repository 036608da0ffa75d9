using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class DiagonalFactorsTests : IDisposable
{
    private static readonly PhiloxKey s_key = new(7, 11);
    private static readonly int[] s_ragged = [0, 6, 6, 7, 17];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;

    public DiagonalFactorsTests() => _arena = new Arena(_device);

    public static TheoryData<bool, bool, SharingApproximation, LossReduction, bool> Cases { get; } = ListCases();

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Lookups_and_projections_add_up_to_the_float64_factors(
        bool lookup, bool projection, SharingApproximation approximation, LossReduction reduction, bool ragged)
    {
        const int Samples = 3;
        const double M = 0.6;
        var words = new VocabularyModel(_device, _arena, lookup, projection);
        var options = new FactorOptions { MovingAverage = M, Samples = Samples, Approximation = approximation };
        using var factors = new KroneckerFactors(_device, words.Model, options, reduction);
        double[] a = [];
        double[] b = [];
        for (int t = 1; t <= 4; t++)
        {
            words.Fill((ulong)(10 * t), Samples, ragged ? s_ragged : null, scale: 1.5f);
            factors.Update(s_key);
            a = Average(a, words.A(approximation, Samples, forwardOnly: false), M);
            b = Average(b, VocabularyModel.DiagonalOf(words.B(approximation, Samples, reduction, forwardOnly: false)), M);
            double correction = 1 - Math.Pow(M, t);
            AssertClose(factors.Pairs[0].A, [.. a.Select(value => value / correction)], $"A, t={t}");
            AssertClose(factors.Pairs[0].B, [.. b.Select(value => value / correction)], $"B, t={t}");
        }
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Forward_only_the_side_without_inputs_gets_the_identity(bool lookup, bool projection)
    {
        var words = new VocabularyModel(_device, _arena, lookup, projection);
        var options = new FactorOptions { Kind = CurvatureKind.ForwardOnly, MovingAverage = 0.5 };
        using var factors = new KroneckerFactors(_device, words.Model, options);
        for (int t = 0; t < 3; t++)
        {
            words.Fill(4);
            factors.Update(s_key);
            AssertClose(factors.Pairs[0].A, words.A(SharingApproximation.Reduce, 1, forwardOnly: true), "A");
            double[] b = words.B(SharingApproximation.Reduce, 1, LossReduction.Sum, forwardOnly: true);
            AssertClose(factors.Pairs[0].B, VocabularyModel.DiagonalOf(b), "B");
        }
    }

    [Fact]
    public void A_lookup_that_no_diagonal_factor_can_take_or_whose_counts_are_wrong_is_refused()
    {
        var plain = new FakeModel(new KroneckerLayer("plain", 3, 4, HasBias: false));
        VectorView<int> tokens = _arena.Vector<int>(6);
        plain.Gradients[0].Add(FakeModel.Rows(_device.DefaultStream, _arena, 6, 1, 1, 4, 1));
        plain.Inputs[0].Add(LayerRows.OfTokens(tokens, 6, 1));
        using var factors = new KroneckerFactors(_device, plain, new FactorOptions());
        Exception exception = Assert.Throws<ArgumentException>(() => factors.Update(s_key));
        Assert.Contains("'plain' handed over a lookup; wanted a layer without bias", exception.Message, StringComparison.Ordinal);

        var words = new VocabularyModel(_device, _arena, lookup: true, projection: false);
        words.Fill(1);
        words.Model.Inputs[0] = [LayerRows.OfTokens(tokens, 4, 5)];
        using var own = new KroneckerFactors(_device, words.Model, new FactorOptions());
        exception = Assert.Throws<ArgumentException>(() => own.Update(s_key));
        Assert.Contains("handed over 6 tokens", exception.Message, StringComparison.Ordinal);
        Assert.Contains("wanted 20 tokens", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_non_finite_gradient_of_a_lookup_leaves_both_averages()
    {
        var words = new VocabularyModel(_device, _arena, lookup: true, projection: true);
        using var factors = new KroneckerFactors(_device, words.Model, new FactorOptions { MovingAverage = 0.9 });
        words.Fill(1);
        factors.Update(s_key);
        float[] a = _device.Read(factors.Pairs[0].A);
        float[] b = _device.Read(factors.Pairs[0].B);

        words.Fill(2);
        _device.DefaultStream.Upload([float.NaN], words.Model.Gradients[0][0].Rows.Row(3).Slice(1, 1));
        NonFiniteCaptureException exception = Assert.Throws<NonFiniteCaptureException>(() => factors.Update(s_key));

        Assert.Equal(("words", 3L, 1L), (exception.Layer, exception.Row, exception.Column));
        Assert.Equal(a, _device.Read(factors.Pairs[0].A));
        Assert.Equal(b, _device.Read(factors.Pairs[0].B));
    }

    private static TheoryData<bool, bool, SharingApproximation, LossReduction, bool> ListCases()
    {
        var cases = new TheoryData<bool, bool, SharingApproximation, LossReduction, bool>();
        foreach ((bool lookup, bool projection) in new[] { (true, false), (false, true), (true, true) })
        {
            foreach (SharingApproximation approximation in Enum.GetValues<SharingApproximation>())
            {
                foreach (LossReduction reduction in Enum.GetValues<LossReduction>())
                {
                    cases.Add(lookup, projection, approximation, reduction, false);
                    cases.Add(lookup, projection, approximation, reduction, true);
                }
            }
        }

        return cases;
    }

    private static double[] Average(double[] old, double[] batch, double m) =>
        [.. batch.Select((value, i) => (old.Length == 0 ? 0 : m * old[i]) + ((1 - m) * value))];

    private void AssertClose(MatrixView<float> actual, double[] expected, string what) => ErrorBound.AssertWithinAndSharp(
        _device.Read(actual), expected, DeviceMatrix.RelativeToLargest(expected, ErrorBound.Gamma(100)), what);
}
