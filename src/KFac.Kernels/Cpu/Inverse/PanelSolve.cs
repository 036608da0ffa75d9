using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Block sizes of the triangular kernels, multiples of every panel width.</summary>
internal static class PanelSolve
{
    /// <summary>Rows of a panel for large matrices: two float32 panels of 48 columns stay in 48 KiB of first-level cache, and a
    /// tile is written back once per 96 steps.</summary>
    public const int Depth = 96;

    /// <summary>Rows of a panel for small matrices, where solves with the diagonal block weigh more.</summary>
    public const int ShallowDepth = 48;
}

/// <summary>Cholesky factor of one diagonal block, and triangular solves with it, on packed panels.</summary>
/// <remarks>
/// The block's factor U (M = Uᵀ·U) is kept as panels of <c>depth</c> rows, which follow each other. All routines go by slices of
/// <c>TTile.Rows</c> rows: one tile product brings in all rows that are already solved, and substitution with the slice's own
/// small triangle, in registers, does the rest. So there is no inverse of a triangle whose condition would enter the error.
/// Signs are chosen such that every product is added: the block comes in as −M, and the solves negate.
/// </remarks>
internal readonly unsafe struct PanelSolve<T, TTile>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private readonly int _depth;
    private readonly T* _block;
    private readonly T* _columns;
    private readonly T* _triangles;

    /// <param name="depth">Rows and columns of the block.</param>
    /// <param name="memory"><see cref="ScratchLength"/> elements.</param>
    public PanelSolve(int depth, T* memory)
    {
        _depth = depth;
        _block = memory;
        _columns = _block + (depth * depth);
        _triangles = _columns + (depth * depth);
    }

    /// <summary>The block: −M in its upper triangle before <see cref="Factor"/>, U after it; below the diagonal undefined.</summary>
    public T* Block => _block;

    private int PanelLength => _depth * TTile.Columns;

    private static int TriangleLength => TTile.Rows * TTile.Rows;

    public static int ScratchLength(int depth) => (2 * depth * depth) + (depth * TTile.Rows);

    /// <summary>Factors the block in place.</summary>
    /// <param name="size">Rows that count, a multiple of the tile's.</param>
    /// <returns>0, or 1 + the index of the first pivot that is not a positive finite number.</returns>
    public int Factor(int size)
    {
        for (int row = 0; row < size; row += TTile.Rows)
        {
            int own = row / TTile.Columns;
            T* left = _block + (own * PanelLength) + (row % TTile.Columns);
            for (int panel = own; panel * TTile.Columns < size; panel++)
            {
                T* right = _block + (panel * PanelLength);
                TTile.Add(3, row, left, TTile.Columns, right, right + (row * TTile.Columns));
            }

            T* triangle = Triangle(row);
            int status = FactorTriangle(left + (row * TTile.Columns), triangle);
            if (status != 0)
            {
                return row + status;
            }

            for (int panel = own; panel * TTile.Columns < size; panel++)
            {
                TTile.Forward(3, triangle, _block + (panel * PanelLength) + (row * TTile.Columns));
            }
        }

        for (int panel = 0; panel * TTile.Columns < size; panel++)
        {
            int steps = Math.Min(size, (panel + 1) * TTile.Columns);
            TTile.Transpose(
                _block + (panel * PanelLength), TTile.Columns, steps, TTile.Columns, _columns + (panel * PanelLength), _depth);
        }

        return 0;
    }

    /// <summary><c>Y ← −U⁻ᵀ·Y</c> for a panel.</summary>
    /// <param name="thirds">Of the panel, that count.</param>
    /// <param name="first">Rows before this one are zero; a multiple of the tile's.</param>
    public void Forward(int thirds, int first, int size, T* panel)
    {
        for (int row = first; row < size; row += TTile.Rows)
        {
            T* left = _block + (row / TTile.Columns * PanelLength) + (first * TTile.Columns) + (row % TTile.Columns);
            T* slice = panel + (row * TTile.Columns);
            TTile.Add(thirds, row - first, left, TTile.Columns, panel + (first * TTile.Columns), slice);
            TTile.Forward(thirds, Triangle(row), slice);
        }
    }

    /// <summary><c>Y ← −U⁻¹·Y</c> for a panel.</summary>
    /// <param name="thirds">Of the panel, that count.</param>
    /// <param name="first">Rows before this one are not wanted; a multiple of the tile's.</param>
    public void Backward(int thirds, int first, int size, T* panel)
    {
        for (int row = size - TTile.Rows; row >= first; row -= TTile.Rows)
        {
            int next = row + TTile.Rows;
            T* slice = panel + (row * TTile.Columns);
            TTile.Add(thirds, size - next, _columns + (next * _depth) + row, _depth, panel + (next * TTile.Columns), slice);
            TTile.Backward(thirds, Triangle(row), slice);
        }
    }

    /// <summary>Copies columns <paramref name="start"/> and following, a panel of them, of Uᵀ from their first row on.</summary>
    public void StoreLower(int start, int size, T* panel)
    {
        for (int row = start; row < size; row++)
        {
            new ReadOnlySpan<T>(_columns + (row * _depth) + start, TTile.Columns).CopyTo(new Span<T>(panel, TTile.Columns));
            panel += TTile.Columns;
        }
    }

    private T* Triangle(int row) => _triangles + (row / TTile.Rows * TriangleLength);

    /// <summary>The factor of a slice's own columns, which come in negated, with <c>−1/uᵢᵢ</c> on the diagonal.</summary>
    private static int FactorTriangle(T* source, T* u)
    {
        for (int i = 0; i < TTile.Rows; i++)
        {
            for (int j = i; j < TTile.Rows; j++)
            {
                T sum = source[(i * TTile.Columns) + j];
                for (int p = 0; p < i; p++)
                {
                    sum = T.FusedMultiplyAdd(u[(p * TTile.Rows) + i], u[(p * TTile.Rows) + j], sum);
                }

                u[(i * TTile.Rows) + j] = sum;
            }

            T pivot = -u[(i * TTile.Rows) + i];
            if (!(pivot > T.Zero && T.IsFinite(pivot)))
            {
                return i + 1;
            }

            T negated = -T.One / T.Sqrt(pivot);
            u[(i * TTile.Rows) + i] = negated;
            for (int j = i + 1; j < TTile.Rows; j++)
            {
                u[(i * TTile.Rows) + j] *= negated;
            }
        }

        return 0;
    }
}
