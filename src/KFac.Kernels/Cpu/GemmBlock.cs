using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Products of packed blocks: what lies between the register tile and the loops over memory.</summary>
/// <remarks>A packed block of rows is a sequence of panels of <c>TTile.Columns</c> rows each, whatever the height of the
/// tile, so that a block packed once can stand on either side of a product, as in a Gram matrix.</remarks>
internal static unsafe class GemmBlock<TTile>
    where TTile : struct, IGemmTile
{
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

    /// <summary><c>C ← α·AB + β·C</c> for a packed block of rows and one panel of B.</summary>
    /// <param name="rows">Rows of C.</param>
    /// <param name="columns">Columns of C, at most a panel.</param>
    public static void Multiply(
        int rows, int columns, int steps, float alpha, float* packedA, float* panelB, float beta, float* c, long ldc)
    {
        for (int row = 0; row < rows; row += TTile.Rows)
        {
            MultiplyTile(
                Math.Min(TTile.Rows, rows - row), columns, steps, alpha, TileOf(packedA, row, steps), panelB, beta, c + (row * ldc), ldc);
        }
    }

    /// <summary>The lower triangle of <c>C ← α·AAᵀ + β·C</c> for one panel; a few elements above it are written too.</summary>
    public static void MultiplyDiagonal(int rows, int steps, float alpha, float* panelA, float beta, float* c, long ldc)
    {
        for (int row = 0; row < rows; row += TTile.Rows)
        {
            int tileRows = Math.Min(TTile.Rows, rows - row);
            MultiplyTile(tileRows, row + tileRows, steps, alpha, panelA + row, panelA, beta, c + (row * ldc), ldc);
        }
    }

    private static float* TileOf(float* packed, int row, int steps) =>
        packed + ((long)(row / TTile.Columns) * TTile.Columns * steps) + (row % TTile.Columns);

    private static void MultiplyTile(
        int rows, int columns, int steps, float alpha, float* tileA, float* panelB, float beta, float* c, long ldc)
    {
        if (rows == TTile.Rows && columns == TTile.Columns)
        {
            TTile.Multiply(steps, tileA, TTile.Columns, panelB, alpha, beta, c, ldc);
        }
        else if (rows == TTile.Rows && columns % VectorLength == 0)
        {
            TTile.MultiplyNarrow(columns / VectorLength, steps, tileA, TTile.Columns, panelB, alpha, beta, c, ldc);
        }
        else
        {
            MultiplyEdge(rows, columns, steps, alpha, tileA, panelB, beta, c, ldc);
        }
    }

    /// <summary>A tile that C has only part of: into memory of its own, then the part to C, with the roundings of a whole tile.</summary>
    [SkipLocalsInit]
    private static void MultiplyEdge(
        int rows, int columns, int steps, float alpha, float* tileA, float* panelB, float beta, float* c, long ldc)
    {
        int vectors = (columns + VectorLength - 1) / VectorLength;
        float* tile = stackalloc float[TTile.Rows * TTile.Columns];
        TTile.MultiplyNarrow(vectors, steps, tileA, TTile.Columns, panelB, alpha, 0, tile, TTile.Columns);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                c[j] = beta == 0 ? tile[j] : tile[j] + (beta * c[j]);
            }

            c += ldc;
            tile += TTile.Columns;
        }
    }
}
