using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Collects the rows of one factor of the current batch, reduced as the approximation wants and extended by the 1 of a bias, as long
/// as they are few enough for the dual system.</summary>
internal sealed class FactorRowCollector(DeviceStream stream, int width, bool appendOnes) : IDisposable
{
    private readonly RowStore _store = new(stream, width);

    /// <summary>What the rows' outer products are multiplied by in the factor.</summary>
    public double Weight { get; set; }

    public FactorRows Rows => _store.Count == 0 ? default : new FactorRows(_store.Rows, Weight);

    /// <summary>The most rows of a factor of this width.</summary>
    public int Most { get; } = DualCost.MostRows(width);

    public void Clear() => _store.Clear();

    /// <summary>Whether rows of this form can be collected: all but the images of a convolution, and ragged ones that are reduced and
    /// extended, whose last column depends on the example.</summary>
    public bool Takes(in LayerRows rows, SharingApproximation approximation) =>
        rows.Convolution is null && (!appendOnes || rows.Segments is null || approximation == SharingApproximation.Expand);

    /// <summary>Adds what a layer handed over, times its scale; false, with nothing changed, where it cannot.</summary>
    /// <param name="uniform">How examples of equal length are reduced.</param>
    public bool TryAdd(in LayerRows rows, SharingApproximation approximation, SharingScale uniform)
    {
        bool reduces = approximation == SharingApproximation.Reduce && rows.Sharing != 1;
        long count = reduces ? (long)rows.Examples * rows.Seeds : rows.Rows.Rows;
        if (!Takes(rows, approximation) || _store.Count + count > Most)
        {
            return false;
        }

        MatrixView<float> whole = _store.Append((int)count);
        MatrixView<float> kept = whole.Slice(0, 0, whole.Rows, rows.Rows.Columns);
        if (!reduces)
        {
            Elementwise.Copy(stream, rows.Rows, kept);
        }
        else if (rows.Segments is { } segments)
        {
            for (int seed = 0; seed < rows.Seeds; seed++)
            {
                MatrixView<float> ragged = rows.Rows.RowRange(seed * segments.Rows, segments.Rows);
                SegmentReduce.Ragged(stream, ragged, segments, SharingScale.InverseSquareRoot, kept.RowRange(seed * rows.Examples, rows.Examples));
            }
        }
        else
        {
            SegmentReduce.Uniform(stream, rows.Rows, rows.Sharing, uniform, kept);
        }

        if (rows.Scale != 1)
        {
            Elementwise.Axpby(stream, rows.Scale, kept, 0, kept);
        }

        if (appendOnes)
        {
            Elementwise.Fill(stream, 1, whole.Slice(0, width - 1, whole.Rows, 1));
        }

        return true;
    }

    /// <summary>Forms the factor of what has been collected.</summary>
    public void Form(MatrixView<float> factor)
    {
        if (_store.Count == 0)
        {
            Elementwise.Fill(stream, 0, factor);
            return;
        }

        Gram.Expand(stream, _store.Rows, (float)Weight, 0, factor);
    }

    public void VisitState(IStateVisitor visitor, string name)
    {
        double weight = Weight;
        _store.VisitState(visitor, name);
        visitor.Real($"{name}.weight", ref weight);
        Weight = weight;
    }

    public void Dispose() => _store.Dispose();
}
