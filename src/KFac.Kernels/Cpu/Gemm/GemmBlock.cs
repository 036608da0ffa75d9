using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Products of packed blocks: what lies between the register tile and the loops over memory.</summary>
/// <remarks>A packed block of rows is a sequence of panels of <c>TTile.Columns</c> rows each, whatever the height of the
/// tile, so that a block packed once can stand on either side of a product, as in a Gram matrix.</remarks>
internal static unsafe class GemmBlock<TTile>
    where TTile : struct, IGemmTile
{
    /// <summary>Steps of k from which it pays to fetch the tile of C while its sums are computed.</summary>
    private const int StepsThatHideFetching = 64;

    private static int VectorLength => TTile.Columns / 3;

    /// <summary>Packs <paramref name="count"/> columns of <paramref name="source"/> [steps, count], panel after panel.</summary>
    public static void Pack(float* packed, int count, int steps, StridedMatrix source)
    {
        for (int start = 0; start < count; start += TTile.Columns)
        {
            TTile.Pack(packed, steps, Math.Min(TTile.Columns, count - start), source.From(0, start));
            packed += TTile.Columns * steps;
        }
    }

    /// <summary>Tiles that <paramref name="rows"/> rows of a panel are computed in.</summary>
    public static int Tiles(int rows) => (rows + TTile.Rows - 1) / TTile.Rows;

    /// <inheritdoc cref="Multiply(int, int, int, float, float*, float*, float, float*, long, ref LinesAhead)"/>
    public static void Multiply(
        int rows, int columns, int steps, float alpha, float* packedA, float* panelB, float beta, float* c, long ldc)
    {
        LinesAhead none = default;
        Multiply(rows, columns, steps, alpha, packedA, panelB, beta, c, ldc, ref none);
    }

    /// <summary><c>C ← α·AB + β·C</c> for a packed block of rows and one panel of B.</summary>
    /// <param name="rows">Rows of C.</param>
    /// <param name="columns">Columns of C, at most a panel.</param>
    /// <param name="ahead">Fetched meanwhile.</param>
    public static void Multiply(
        int rows, int columns, int steps, float alpha, float* packedA, float* panelB, float beta, float* c, long ldc, ref LinesAhead ahead)
    {
        for (int row = 0; row < rows; row += TTile.Rows)
        {
            MultiplyTile(
                Math.Min(TTile.Rows, rows - row), columns, steps, alpha, TileOf(packedA, row, steps), panelB, beta, c + (row * ldc), ldc, ref ahead);
        }
    }

    /// <summary>As <c>Multiply</c> with a whole panel's columns of B that lie in memory row by row; the first tile packs
    /// them.</summary>
    /// <param name="b">Rows <paramref name="strideB"/> elements apart.</param>
    /// <param name="panelB">Receives the panel; not written where nothing but one tile needs it.</param>
    /// <param name="isAll">Whether nobody needs the panel afterwards.</param>
    public static void MultiplyPacking(
        int rows, int steps, float alpha, float* packedA, float* b, long strideB, float* panelB, float beta, float* c, long ldc, ref LinesAhead ahead, bool isAll)
    {
        if (rows < TTile.Rows)
        {
            TTile.Pack(panelB, steps, TTile.Columns, new StridedMatrix(b, strideB, 1));
            Multiply(rows, TTile.Columns, steps, alpha, packedA, panelB, beta, c, ldc, ref ahead);
            return;
        }

        if (rows == TTile.Rows && isAll)
        {
            TTile.MultiplyPart(TTile.Rows, 3, steps, packedA, TTile.Columns, b, strideB, alpha, beta, c, ldc);
            return;
        }

        TTile.MultiplyPacking(steps, packedA, TTile.Columns, b, strideB, panelB, alpha, beta, c, ldc);
        for (int row = TTile.Rows; row < rows; row += TTile.Rows)
        {
            MultiplyTile(
                Math.Min(TTile.Rows, rows - row), TTile.Columns, steps, alpha, TileOf(packedA, row, steps), panelB, beta, c + (row * ldc), ldc, ref ahead);
        }
    }

    /// <summary>The lower triangle of <c>C ← α·AAᵀ + β·C</c> for one packed panel; elements above it are written too.</summary>
    public static void MultiplyDiagonal(int rows, int steps, float alpha, float* panelA, float beta, float* c, long ldc, ref LinesAhead ahead)
    {
        for (int row = 0; row < rows; row += TTile.Rows)
        {
            int tileRows = Math.Min(TTile.Rows, rows - row);
            int columns = Math.Min(rows, (row + tileRows + VectorLength - 1) / VectorLength * VectorLength);
            MultiplyTile(tileRows, columns, steps, alpha, panelA + row, panelA, beta, c + (row * ldc), ldc, ref ahead);
        }
    }

    /// <summary>As <see cref="MultiplyDiagonal"/> for a whole panel's columns that lie in memory row by row; the tile that needs
    /// all of them packs them.</summary>
    /// <param name="a">Rows <paramref name="strideA"/> elements apart.</param>
    /// <param name="panelA">Receives the panel.</param>
    public static void MultiplyDiagonalPacking(
        int steps, float alpha, float* a, long strideA, float* panelA, float beta, float* c, long ldc, ref LinesAhead ahead)
    {
        int last = TTile.Columns - TTile.Rows;
        TTile.MultiplyPacking(steps, a + last, strideA, a, strideA, panelA, alpha, beta, c + (last * ldc), ldc);
        MultiplyDiagonal(last, steps, alpha, panelA, beta, c, ldc, ref ahead);
    }

    /// <inheritdoc cref="MultiplyRows(int, int, int, float, float*, long, float*, float, float*, long, ref LinesAhead)"/>
    public static void MultiplyRows(
        int rows, int columns, int steps, float alpha, float* a, long strideA, float* panelB, float beta, float* c, long ldc)
    {
        LinesAhead none = default;
        MultiplyRows(rows, columns, steps, alpha, a, strideA, panelB, beta, c, ldc, ref none);
    }

    /// <summary>As <c>Multiply</c> with rows of A that lie in memory row by row and are not packed, at least half a tile of them.</summary>
    /// <param name="a">Rows <paramref name="strideA"/> elements apart.</param>
    /// <param name="ahead">Fetched meanwhile.</param>
    public static void MultiplyRows(
        int rows,
        int columns,
        int steps,
        float alpha,
        float* a,
        long strideA,
        float* panelB,
        float beta,
        float* c,
        long ldc,
        ref LinesAhead ahead)
    {
        int vectors = (columns + VectorLength - 1) / VectorLength;
        for (int row = 0; row < rows;)
        {
            int tileRows = rows - row > TTile.Rows / 2 && rows >= TTile.Rows ? TTile.Rows : TTile.Rows / 2;
            int first = Math.Min(row, rows - tileRows);
            float* tileA = a + (first * strideA);
            if (first == row && columns == vectors * VectorLength && !ahead.IsDone)
            {
                var target = new TileTarget(alpha, beta, c + (row * ldc), ldc);
                TTile.MultiplyRowsFetching(tileRows, vectors, steps, tileA, strideA, panelB, TTile.Columns, target, ref ahead);
            }
            else if (first == row && columns == vectors * VectorLength)
            {
                TTile.MultiplyRows(
                    tileRows, vectors, steps, tileA, strideA, panelB, TTile.Columns, alpha, beta, c + (row * ldc), ldc);
            }
            else
            {
                var target = new TileTarget(alpha, beta, c + (row * ldc), ldc);
                MultiplyEdgeOfRows(tileRows, row - first, columns, steps, tileA, strideA, panelB, target);
            }

            row = first + tileRows;
        }
    }

    private static float* TileOf(float* packed, int row, int steps) =>
        packed + ((long)(row / TTile.Columns) * TTile.Columns * steps) + (row % TTile.Columns);

    private static void MultiplyTile(
        int rows, int columns, int steps, float alpha, float* tileA, float* panelB, float beta, float* c, long ldc, ref LinesAhead ahead)
    {
        if (beta != 0 && steps >= StepsThatHideFetching)
        {
            LinesAhead.FetchTile(c, ldc, rows, columns);
        }

        if ((rows != TTile.Rows && rows != TTile.Rows / 2) || columns % VectorLength != 0)
        {
            MultiplyEdge(rows, columns, steps, tileA, panelB, new TileTarget(alpha, beta, c, ldc));
        }
        else if (!ahead.IsDone)
        {
            var target = new TileTarget(alpha, beta, c, ldc);
            TTile.MultiplyFetching(rows, columns / VectorLength, steps, tileA, TTile.Columns, panelB, TTile.Columns, target, ref ahead);
        }
        else if (rows == TTile.Rows && columns == TTile.Columns)
        {
            TTile.Multiply(steps, tileA, TTile.Columns, panelB, alpha, beta, c, ldc);
        }
        else
        {
            TTile.MultiplyPart(rows, columns / VectorLength, steps, tileA, TTile.Columns, panelB, TTile.Columns, alpha, beta, c, ldc);
        }
    }

    /// <summary>A tile that C has only part of: its sums into memory of their own, then the part to C.</summary>
    [SkipLocalsInit]
    private static void MultiplyEdge(int rows, int columns, int steps, float* tileA, float* panelB, in TileTarget target)
    {
        float* sums = stackalloc float[TTile.Rows * TTile.Columns];
        int computed = rows <= TTile.Rows / 2 ? TTile.Rows / 2 : TTile.Rows;
        int vectors = (columns + VectorLength - 1) / VectorLength;
        TTile.MultiplyPart(computed, vectors, steps, tileA, TTile.Columns, panelB, TTile.Columns, 1, 0, sums, TTile.Columns);
        TTile.Write(sums, rows, columns, target);
    }

    /// <summary>A tile of unpacked rows of which C has only the last ones, the others having been computed before.</summary>
    [SkipLocalsInit]
    private static void MultiplyEdgeOfRows(
        int rows, int skipped, int columns, int steps, float* tileA, long strideA, float* panelB, in TileTarget target)
    {
        float* sums = stackalloc float[TTile.Rows * TTile.Columns];
        int vectors = (columns + VectorLength - 1) / VectorLength;
        TTile.MultiplyRows(rows, vectors, steps, tileA, strideA, panelB, TTile.Columns, 1, 0, sums, TTile.Columns);
        TTile.Write(sums + (skipped * TTile.Columns), rows - skipped, columns, target);
    }
}
