using KFac.Kernels;
using KFac.Testing;

namespace KFac.Engine.Tests;

/// <summary>A model of one weight over a vocabulary that is looked up, projected to, or both, with its factors in float64.</summary>
internal sealed class VocabularyModel(Device device, Arena arena, bool lookup, bool projection)
{
    public const int Words = 7;
    public const int Width = 3;

    private const int Examples = 4;
    private const int Sharing = 5;

    private int[] _tokens = [];
    private SegmentOffsets? _segments;

    public FakeModel Model { get; } = new(new KroneckerLayer("words", Width, Words, HasBias: false) { HasDiagonalOutput = true });

    /// <summary>New tokens, rows and gradients.</summary>
    /// <param name="offsets">Where examples begin, for ragged ones.</param>
    public void Fill(ulong seed, int seeds = 1, int[]? offsets = null, float scale = 1)
    {
        DeviceStream stream = device.DefaultStream;
        _segments = offsets is null ? null : SegmentOffsets.FromOffsets(stream, arena, offsets);
        int rows = _segments?.Rows ?? Examples * Sharing;
        Model.LossTerms = rows;
        Model.Inputs[0].Clear();
        Model.Gradients[0].Clear();
        if (lookup)
        {
            _tokens = TestData.Integers(rows, Words + 1, seed);
            VectorView<int> tokens = arena.Vector<int>(rows);
            stream.Upload(_tokens, tokens);
            Model.Inputs[0].Add(LayerRows.OfTokens(tokens, Examples, _segments is null ? Sharing : 0, _segments));
            Model.Gradients[0].Add(Rows(rows, seeds, Width, seed + 1, scale) with { IsLookup = true });
        }

        if (projection)
        {
            Model.Inputs[0].Add(Rows(rows, 1, Width, seed + 2, 1));
            Model.Gradients[0].Add(Rows(rows, seeds, Words, seed + 3, scale));
        }
    }

    /// <summary>A [Width, Width], by the formulas of the conventions for each use, added.</summary>
    public double[] A(SharingApproximation approximation, int samples, bool forwardOnly)
    {
        var sum = new double[Width * Width];
        Reference.KroneckerFactors reference = Of(approximation);
        if (projection)
        {
            Add(reference.Input(device.ReadDouble(Model.Inputs[0][^1].Rows), Width, hasBias: false), 1, sum);
        }

        if (lookup && forwardOnly)
        {
            Add(TestData.ToDouble(DeviceMatrix.Diagonal([.. Enumerable.Repeat(1f, Width)])), 1, sum);
        }
        else if (lookup)
        {
            LayerRows gradients = Model.Gradients[0][0];
            double[] own = reference.Output(device.ReadDouble(gradients.Rows), Width, gradients.Seeds, gradients.Scale, samples);
            Add(own, 1.0 / Model.LossTerms, sum);
        }

        return sum;
    }

    /// <summary>diag(B) as a matrix [Words, Words].</summary>
    public double[] B(SharingApproximation approximation, int samples, LossReduction reduction, bool forwardOnly)
    {
        var sum = new double[Words * Words];
        Reference.KroneckerFactors reference = Of(approximation);
        double terms = Model.LossTerms;
        if (lookup)
        {
            double[] own = reference.Input(KFac.Reference.DiagonalGramReference.OneHot(_tokens, Words), Words, hasBias: false);
            Add(own, reduction == LossReduction.Sum && !forwardOnly ? terms : 1, sum);
        }

        if (projection && forwardOnly)
        {
            Add(TestData.ToDouble(DeviceMatrix.Diagonal([.. Enumerable.Repeat(1f, Words)])), 1, sum);
        }
        else if (projection)
        {
            LayerRows gradients = Model.Gradients[0][^1];
            double[] own = reference.Output(device.ReadDouble(gradients.Rows), Words, gradients.Seeds, gradients.Scale, samples);
            Add(own, reduction == LossReduction.Sum ? 1 : 1 / terms, sum);
        }

        return [.. sum.Select(static (value, i) => i % (Words + 1) == 0 ? value : 0)];
    }

    public static double[] DiagonalOf(double[] matrix) => [.. Enumerable.Range(0, Words).Select(i => matrix[i * (Words + 1)])];

    private Reference.KroneckerFactors Of(SharingApproximation approximation) => new(
        _segments?.Host.ToArray() ?? [.. Enumerable.Range(0, Examples + 1).Select(static n => n * Sharing)],
        _segments is not null,
        approximation == SharingApproximation.Reduce);

    private LayerRows Rows(int rows, int seeds, int width, ulong seed, float scale)
    {
        MatrixView<float> values = arena.Upload(seeds * rows, width, TestData.Uniform(seeds * rows * width, seed));
        return new LayerRows(values, Examples, _segments is null ? Sharing : 0, _segments, seeds, scale);
    }

    private static void Add(double[] values, double weight, double[] sum)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] += weight * values[i];
        }
    }
}
