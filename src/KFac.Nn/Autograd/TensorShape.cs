namespace KFac.Nn;

/// <summary>Sizes of a row-major tensor with 1 to <see cref="MaxRank"/> dimensions, kept inline: no heap memory.</summary>
/// <remarks>As a matrix it is <see cref="Rows"/>×<see cref="Columns"/>: the last dimension is the width, the first one the
/// examples M, and everything between them the sharing dimensions, R in all.</remarks>
public readonly record struct TensorShape
{
    /// <summary>The most dimensions a shape can have.</summary>
    public const int MaxRank = 6;

    private readonly int _d0;
    private readonly int _d1;
    private readonly int _d2;
    private readonly int _d3;
    private readonly int _d4;
    private readonly int _d5;

    private TensorShape(ReadOnlySpan<int> sizes)
    {
        Rank = sizes.Length;
        _d0 = sizes[0];
        _d1 = sizes.Length > 1 ? sizes[1] : 0;
        _d2 = sizes.Length > 2 ? sizes[2] : 0;
        _d3 = sizes.Length > 3 ? sizes[3] : 0;
        _d4 = sizes.Length > 4 ? sizes[4] : 0;
        _d5 = sizes.Length > 5 ? sizes[5] : 0;
    }

    /// <summary>Number of dimensions.</summary>
    public int Rank { get; }

    /// <summary>Product of all dimensions but the last; 1 for a rank of 1.</summary>
    public int Rows
    {
        get
        {
            int rows = 1;
            for (int i = 0; i < Rank - 1; i++)
            {
                rows *= this[i];
            }

            return rows;
        }
    }

    /// <summary>The last dimension.</summary>
    public int Columns => Rank == 0 ? 0 : this[Rank - 1];

    /// <summary>The size of one dimension.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such dimension.</exception>
    public int this[int dimension]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(dimension);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(dimension, Rank);
            return dimension switch { 0 => _d0, 1 => _d1, 2 => _d2, 3 => _d3, 4 => _d4, _ => _d5 };
        }
    }

    /// <summary>Makes a shape from its sizes.</summary>
    /// <exception cref="ArgumentException">There are no or too many sizes, one is negative, or their product exceeds 2³¹ − 1.</exception>
    public static TensorShape Of(params ReadOnlySpan<int> sizes)
    {
        if (sizes.Length is 0 or > MaxRank)
        {
            throw new ArgumentException($"A shape has {sizes.Length} dimensions; wanted 1 to {MaxRank}.", nameof(sizes));
        }

        long elements = 1;
        for (int i = 0; i < sizes.Length; i++)
        {
            if (sizes[i] < 0)
            {
                throw new ArgumentException($"Dimension {i} of a shape is {sizes[i]}; wanted 0 or more.", nameof(sizes));
            }

            elements *= sizes[i];
            if (elements > int.MaxValue)
            {
                throw new ArgumentException($"A shape of {string.Join("×", sizes.ToArray())} has more than {int.MaxValue} elements.", nameof(sizes));
            }
        }

        return new TensorShape(sizes);
    }

    /// <summary>The same dimensions with another width.</summary>
    public TensorShape WithColumns(int columns)
    {
        Span<int> sizes = stackalloc int[MaxRank];
        CopyTo(sizes);
        sizes[Rank - 1] = columns;
        return Of(sizes[..Rank]);
    }

    /// <summary>Writes the sizes to the start of <paramref name="sizes"/>.</summary>
    public void CopyTo(Span<int> sizes)
    {
        for (int i = 0; i < Rank; i++)
        {
            sizes[i] = this[i];
        }
    }

    /// <summary>For messages, for example <c>[32, 7, 64]</c>.</summary>
    public override string ToString()
    {
        Span<int> sizes = stackalloc int[MaxRank];
        CopyTo(sizes);
        return $"[{string.Join(", ", sizes[..Rank].ToArray())}]";
    }
}
