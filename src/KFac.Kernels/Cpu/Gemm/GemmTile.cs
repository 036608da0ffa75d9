namespace KFac.Kernels.Cpu;

/// <summary>A register tile: the product of a few rows of A with a panel of B, accumulated in registers over k.</summary>
/// <remarks>
/// Three vectors of B meet one broadcast element of A at a time, so that a step of k costs few loads for its multiply-adds
/// and the accumulators are enough to hide their latency: 8×3 with 32 registers (AVX-512: 24 accumulators, 11 loads for 24
/// multiply-adds), 4×3 with 16 registers (12 accumulators, 7 loads for 12). An element of C is the same to the bit whichever
/// of the methods computes it.
/// </remarks>
internal unsafe interface IGemmTile
{
    /// <summary>Rows of A and C; half a tile is the smallest that is computed.</summary>
    static abstract int Rows { get; }

    /// <summary>Columns of B and C, a multiple of <see cref="Rows"/>: the width of every packed panel.</summary>
    static abstract int Columns { get; }

    /// <inheritdoc cref="GemmPanel{TSimd, TVector}.Pack"/>
    static abstract void Pack(float* panel, int k, int columns, StridedMatrix source);

    /// <summary><c>C ← α·AB + β·C</c> for a whole tile and a packed panel; C is not read where β is 0.</summary>
    /// <param name="k">Inner dimension.</param>
    /// <param name="a">Element (i, p) of A is <c>a[p·strideA + i]</c>.</param>
    /// <param name="strideA">Elements between steps of k.</param>
    /// <param name="b">Element (p, j) of B is <c>b[p·Columns + j]</c>.</param>
    /// <param name="c">Element (i, j) of C is <c>c[i·ldc + j]</c>.</param>
    static abstract void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc);

    /// <summary>As <see cref="Multiply"/>, and copies B, whose rows are <paramref name="strideB"/> elements apart, to a panel
    /// on the way: packing that costs next to nothing.</summary>
    static abstract void MultiplyPacking(
        int k, float* a, long strideA, float* b, long strideB, float* panel, float alpha, float beta, float* c, long ldc);

    /// <summary>As <see cref="Multiply"/> for <see cref="Rows"/> or half as many rows and the first <paramref name="vectors"/>
    /// thirds of the columns, where rows of B are <paramref name="strideB"/> elements apart.</summary>
    /// <param name="a">Element (i, p) of A is <c>a[p·strideA + i]</c>.</param>
    static abstract void MultiplyPart(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, float alpha, float beta, float* c, long ldc);

    /// <summary>As <see cref="MultiplyPart"/>, and fetches memory that other tiles will read.</summary>
    static abstract void MultiplyFetching(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, in TileTarget target, ref LinesAhead ahead);

    /// <summary>As <see cref="MultiplyPart"/> where A lies row by row.</summary>
    /// <param name="a">Element (i, p) of A is <c>a[i·strideA + p]</c>.</param>
    static abstract void MultiplyRows(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, float alpha, float beta, float* c, long ldc);

    /// <summary>As <see cref="MultiplyRows"/>, and fetches memory that other tiles will read.</summary>
    static abstract void MultiplyRowsFetching(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, in TileTarget target, ref LinesAhead ahead);

    /// <inheritdoc cref="ColumnProduct{TSimd, TVector}.Multiply"/>
    static abstract void MultiplyColumn(int rows, int k, float* a, long strideA, float* b, in TileTarget target);

    /// <summary>Brings part of a tile's sums to C with the roundings of a whole one.</summary>
    /// <param name="sums">Rows of <see cref="Columns"/> elements.</param>
    static abstract void Write(float* sums, int rows, int columns, in TileTarget target);
}

/// <summary>How many vectors wide a tile is, as a constant that the JIT compiles a tile for.</summary>
internal interface ITileVectors
{
    static abstract int Count { get; }
}

internal readonly struct OneVector : ITileVectors
{
    public static int Count => 1;
}

internal readonly struct TwoVectors : ITileVectors
{
    public static int Count => 2;
}

internal readonly struct ThreeVectors : ITileVectors
{
    public static int Count => 3;
}

/// <summary>What a tile reads and how much of it there is, as constants that the JIT compiles a tile for.</summary>
internal interface ITileForm
{
    /// <summary>All rows, or the first half of them.</summary>
    static abstract bool AllRows { get; }

    /// <summary>Whether elements of A are adjacent along k, not along the rows.</summary>
    static abstract bool RowsOfA { get; }

    /// <summary>Whether B is copied to a panel.</summary>
    static abstract bool Packs { get; }

    /// <summary>Whether memory is fetched for later, a line every few steps.</summary>
    static abstract bool Fetches { get; }
}

internal readonly struct WholeTile : ITileForm
{
    public static bool AllRows => true;

    public static bool RowsOfA => false;

    public static bool Packs => false;

    public static bool Fetches => false;
}

internal readonly struct PackingTile : ITileForm
{
    public static bool AllRows => true;

    public static bool RowsOfA => false;

    public static bool Packs => true;

    public static bool Fetches => false;
}

internal readonly struct HalfTile : ITileForm
{
    public static bool AllRows => false;

    public static bool RowsOfA => false;

    public static bool Packs => false;

    public static bool Fetches => false;
}

internal readonly struct FetchingTile : ITileForm
{
    public static bool AllRows => true;

    public static bool RowsOfA => false;

    public static bool Packs => false;

    public static bool Fetches => true;
}

internal readonly struct FetchingHalfTile : ITileForm
{
    public static bool AllRows => false;

    public static bool RowsOfA => false;

    public static bool Packs => false;

    public static bool Fetches => true;
}

internal readonly struct WholeTileOfRows : ITileForm
{
    public static bool AllRows => true;

    public static bool RowsOfA => true;

    public static bool Packs => false;

    public static bool Fetches => false;
}

internal readonly struct HalfTileOfRows : ITileForm
{
    public static bool AllRows => false;

    public static bool RowsOfA => true;

    public static bool Packs => false;

    public static bool Fetches => false;
}

internal readonly struct FetchingTileOfRows : ITileForm
{
    public static bool AllRows => true;

    public static bool RowsOfA => true;

    public static bool Packs => false;

    public static bool Fetches => true;
}

internal readonly struct FetchingHalfTileOfRows : ITileForm
{
    public static bool AllRows => false;

    public static bool RowsOfA => true;

    public static bool Packs => false;

    public static bool Fetches => true;
}
