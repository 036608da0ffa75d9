namespace KFac.Kernels.Cpu;

/// <summary>The register tiles of a <see cref="NarrowGram"/>, left of the diagonal and across it, and their sums.</summary>
internal unsafe struct NarrowGramTiles<TSimd, TVector>(int width)
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private float** _elements;
    private float** _tails;
    private float* _tail;
    private float* _sums;

    private static int TileElements => NarrowGramTile<TSimd, TVector>.Rows * NarrowGramTile<TSimd, TVector>.Columns * TSimd.Count;

    /// <summary>Elements, in whole tiles of either side, and in whole cache lines.</summary>
    private readonly int Padded => GemmCore.CeilingDivide(width + NarrowGramTile<TSimd, TVector>.Columns, Simd512.Count) * Simd512.Count;

    private readonly long SumElements
    {
        get
        {
            long tiles = 0;
            for (int row = 0; row < width; row += NarrowGramTile<TSimd, TVector>.Rows)
            {
                tiles += TilesOf(row);
            }

            return tiles * TileElements;
        }
    }

    /// <summary>Memory that is needed.</summary>
    public readonly long Bytes => ((SumElements + ((long)Padded * TSimd.Count)) * sizeof(float)) + (2L * Padded * sizeof(float*));

    /// <summary>Lays out memory and clears the sums.</summary>
    /// <param name="memory"><see cref="Bytes"/> bytes.</param>
    /// <param name="lines">What the elements meet.</param>
    public void Start(float* memory, in ElementLines lines)
    {
        _sums = memory;
        _tail = _sums + SumElements;
        _elements = (float**)(_tail + (Padded * TSimd.Count));
        _tails = _elements + Padded;
        new Span<float>(_sums, (int)SumElements).Clear();
        for (int element = 0; element < Padded; element++)
        {
            // What is beyond the last element is computed and dropped.
            int present = Math.Min(element, width - 1);
            _elements[element] = lines.Of(present);
            _tails[element] = _tail + (present * TSimd.Count);
        }
    }

    /// <summary>Adds the products of all pairs of elements over so many positions.</summary>
    public readonly void Add(int positions)
    {
        int whole = positions / TSimd.Count * TSimd.Count;
        AddVectors(_elements, whole);
        if (whole == positions)
        {
            return;
        }

        for (int element = 0; element < width; element++)
        {
            TSimd.Store(TSimd.LoadPartial(_elements[element] + whole, positions - whole), _tails[element]);
        }

        AddVectors(_tails, TSimd.Count);
    }

    /// <summary>Writes the triangle, rows <c>width</c> apart.</summary>
    public readonly void Write(float* triangle)
    {
        float* sums = _sums;
        for (int row = 0; row < width; row += NarrowGramTile<TSimd, TVector>.Rows)
        {
            for (int tile = 0; tile < TilesOf(row); tile++, sums += TileElements)
            {
                WriteTile(sums, row, tile * NarrowGramTile<TSimd, TVector>.Columns, triangle);
            }
        }
    }

    private readonly void AddVectors(float** elements, int positions)
    {
        float* sums = _sums;
        for (int row = 0; row < width; row += NarrowGramTile<TSimd, TVector>.Rows)
        {
            for (int tile = 0; tile < TilesOf(row); tile++, sums += TileElements)
            {
                NarrowGramTile<TSimd, TVector>.Add(elements + row, elements + (tile * NarrowGramTile<TSimd, TVector>.Columns), positions, sums);
            }
        }
    }

    private readonly void WriteTile(float* sums, int row, int column, float* triangle)
    {
        int rows = Math.Min(NarrowGramTile<TSimd, TVector>.Rows, width - row);
        for (int i = row; i < row + rows; i++)
        {
            for (int j = 0; j < NarrowGramTile<TSimd, TVector>.Columns; j++, sums += TSimd.Count)
            {
                if (column + j <= i)
                {
                    triangle[((long)i * width) + column + j] = TSimd.Sum(TSimd.Load(sums));
                }
            }
        }
    }

    /// <summary>Tiles of the rows from <paramref name="row"/> on.</summary>
    private readonly int TilesOf(int row)
    {
        int columns = Math.Min(width, row + NarrowGramTile<TSimd, TVector>.Rows);
        return (columns + NarrowGramTile<TSimd, TVector>.Columns - 1) / NarrowGramTile<TSimd, TVector>.Columns;
    }
}
