using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Sizes shared by the kernels that work on packed panels.</summary>
internal static class PanelSolve
{
    /// <summary>Rows of a panel: the block size of the Cholesky kernels. A multiple of every panel width.</summary>
    /// <remarks>With 96, two float32 panels of 48 columns stay in 48 KiB of first-level cache, and a tile is written back
    /// once per 96 steps; other depths have not been compared.</remarks>
    public const int Depth = 96;
}

/// <summary>Cholesky factor of one diagonal block, and triangular solves with it, on packed panels.</summary>
/// <remarks>
/// A panel holds up to <see cref="PanelSolve.Depth"/> rows of <c>TTile.Columns</c> columns: element (p, j) at
/// <c>p·Columns + j</c>, the format that the register tile of the matrix product reads. The block's factor U (M = Uᵀ·U) is
/// kept as panels too. All routines go by slices of <c>TTile.Rows</c> rows: one tile product brings in all rows that are
/// already solved, and substitution within the slice does the rest, so nearly all arithmetic runs in the register tile
/// and there is no inverse of a triangle whose condition would enter the error.
/// </remarks>
internal static unsafe class PanelSolve<T, TTile>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private static int PanelLength => PanelSolve.Depth * TTile.Columns;

    /// <summary>Factors a diagonal block in place; its panels follow each other, rows and columns from <paramref name="size"/> on
    /// are those of the identity.</summary>
    /// <returns>0, or 1 + the index of the first pivot that is not a positive finite number.</returns>
    public static int Factor(T* block, int size)
    {
        for (int row = 0; row < PanelSolve.Depth && row < size; row += TTile.Rows)
        {
            T* left = block + ((row / TTile.Columns) * PanelLength) + (row % TTile.Columns);
            for (int panel = row / TTile.Columns; panel * TTile.Columns < PanelSolve.Depth; panel++)
            {
                T* right = block + (panel * PanelLength);
                TTile.Multiply(row, left, TTile.Columns, right, -T.One, T.One, right + (row * TTile.Columns), TTile.Columns);
            }

            for (int i = row; i < row + TTile.Rows; i++)
            {
                T* pivotRow = block + ((i / TTile.Columns) * PanelLength) + (i * TTile.Columns);
                T pivot = pivotRow[i % TTile.Columns];
                if (!(pivot > T.Zero && T.IsFinite(pivot)))
                {
                    return i + 1;
                }

                Eliminate(block, row, i, T.One / T.Sqrt(pivot));
            }
        }

        return 0;
    }

    /// <summary>U⁻ᵀ applied to a panel.</summary>
    public static void Forward(T* block, int size, T* panel)
    {
        for (int row = 0; row < size; row += TTile.Rows)
        {
            T* left = block + ((row / TTile.Columns) * PanelLength) + (row % TTile.Columns);
            T* slice = panel + (row * TTile.Columns);
            TTile.Multiply(row, left, TTile.Columns, panel, -T.One, T.One, slice, TTile.Columns);
            T* triangle = left + (row * TTile.Columns);
            for (int i = 0; i < TTile.Rows; i++)
            {
                TTile.Scale(slice + (i * TTile.Columns), T.One / triangle[(i * TTile.Columns) + i]);
                for (int j = i + 1; j < TTile.Rows; j++)
                {
                    TTile.SubtractScaled(slice + (j * TTile.Columns), triangle[(i * TTile.Columns) + j], slice + (i * TTile.Columns));
                }
            }
        }
    }

    /// <summary>U⁻¹ applied to a panel. <paramref name="lower"/> is Uᵀ, row-major, from <see cref="Transpose"/>.</summary>
    public static void Backward(T* lower, int size, T* panel)
    {
        int rounded = (size + TTile.Rows - 1) / TTile.Rows * TTile.Rows;
        for (int row = rounded - TTile.Rows; row >= 0; row -= TTile.Rows)
        {
            int next = row + TTile.Rows;
            T* slice = panel + (row * TTile.Columns);
            T* left = lower + (next * PanelSolve.Depth) + row;
            TTile.Multiply(
                rounded - next, left, PanelSolve.Depth, panel + (next * TTile.Columns), -T.One, T.One, slice, TTile.Columns);
            T* triangle = lower + (row * PanelSolve.Depth) + row;
            for (int i = TTile.Rows - 1; i >= 0; i--)
            {
                TTile.Scale(slice + (i * TTile.Columns), T.One / triangle[(i * PanelSolve.Depth) + i]);
                for (int j = 0; j < i; j++)
                {
                    TTile.SubtractScaled(slice + (j * TTile.Columns), triangle[(i * PanelSolve.Depth) + j], slice + (i * TTile.Columns));
                }
            }
        }
    }

    /// <summary>Writes Uᵀ of a factored block, row-major with rows <see cref="PanelSolve.Depth"/> apart; above the diagonal undefined.</summary>
    public static void Transpose(T* block, T* lower)
    {
        for (int i = 0; i < PanelSolve.Depth; i++)
        {
            for (int j = i; j < PanelSolve.Depth; j++)
            {
                lower[(j * PanelSolve.Depth) + i] = block[((j / TTile.Columns) * PanelLength) + (i * TTile.Columns) + (j % TTile.Columns)];
            }
        }
    }

    /// <summary>Scales row i to a row of U and takes it out of the later rows of its slice.</summary>
    private static void Eliminate(T* block, int row, int i, T reciprocal)
    {
        for (int panel = row / TTile.Columns; panel * TTile.Columns < PanelSolve.Depth; panel++)
        {
            T* columns = block + (panel * PanelLength);
            TTile.Scale(columns + (i * TTile.Columns), reciprocal);
        }

        T* factors = block + ((i / TTile.Columns) * PanelLength) + (i * TTile.Columns);
        for (int j = i + 1; j < row + TTile.Rows; j++)
        {
            T factor = factors[j % TTile.Columns];
            for (int panel = row / TTile.Columns; panel * TTile.Columns < PanelSolve.Depth; panel++)
            {
                T* columns = block + (panel * PanelLength);
                TTile.SubtractScaled(columns + (j * TTile.Columns), factor, columns + (i * TTile.Columns));
            }
        }
    }
}
