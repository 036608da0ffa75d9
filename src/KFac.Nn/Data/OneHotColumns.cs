namespace KFac.Nn;

/// <summary>Turns rows of categories into rows of zeros and ones, one column per category that occurs anywhere.</summary>
/// <remarks>A linear layer on such rows is a sum of embeddings, one per feature, as OGB's encoders of atoms and bonds are.</remarks>
internal sealed class OneHotColumns
{
    private readonly int[] _starts;

    /// <param name="categories">Row-major, none negative: all rows that will ever be encoded.</param>
    /// <param name="features">Categories of a row, at least 1.</param>
    public OneHotColumns(ReadOnlySpan<int> categories, int features)
    {
        var counts = new int[features];
        for (int i = 0; i < categories.Length; i++)
        {
            counts[i % features] = Math.Max(counts[i % features], categories[i] + 1);
        }

        _starts = new int[features + 1];
        for (int feature = 0; feature < features; feature++)
        {
            _starts[feature + 1] = _starts[feature] + Math.Max(1, counts[feature]);
        }
    }

    /// <summary>Columns of an encoded row.</summary>
    public int Width => _starts[^1];

    /// <summary>Encodes whole rows into the start of <paramref name="destination"/>, which must be zero.</summary>
    public void Encode(ReadOnlySpan<int> categories, Span<float> destination)
    {
        int features = _starts.Length - 1;
        for (int i = 0; i < categories.Length; i++)
        {
            destination[(i / features * Width) + _starts[i % features] + categories[i]] = 1;
        }
    }
}
