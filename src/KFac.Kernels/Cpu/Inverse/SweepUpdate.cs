using System.Numerics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>The products of a <see cref="CholeskySweep{T, TTile}"/>, which is where nearly all the time goes.</summary>
/// <remarks>Every square of the triangle is loaded in the first step, by whoever needs it first, and stored in the last.</remarks>
internal readonly unsafe struct SweepUpdate<T, TTile>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private readonly SweepShape<T, TTile> _shape;
    private readonly SweepResult _wanted;
    private readonly PanelTriangle<T, TTile> _matrix;
    private readonly TriangleCopy<T, TTile> _copy;
    private readonly T* _packed;

    /// <param name="packed"><see cref="PackedLength"/> elements.</param>
    public SweepUpdate(
        SweepShape<T, TTile> shape, SweepResult wanted, PanelTriangle<T, TTile> matrix, TriangleCopy<T, TTile> copy, T* packed)
    {
        _shape = shape;
        _wanted = wanted;
        _matrix = matrix;
        _copy = copy;
        _packed = packed;
    }

    private static int SquareLength => TTile.Columns * TTile.Columns;

    public static long PackedLength(SweepShape<T, TTile> shape) => (long)shape.Panels * shape.PanelLength;

    /// <summary>Where a solved panel belongs.</summary>
    public T* Packed(int panel) => _packed + ((long)panel * _shape.PanelLength);

    /// <summary>What two panels of the triangle have in common.</summary>
    public T* Square(int row, int column) => _matrix.Panel(column, row * TTile.Columns);

    /// <summary>Adds the step's products to one part of the triangle.</summary>
    public void UpdatePart(int step, int part)
    {
        (int column, int firstRow, int end) = _shape.Part(part);
        int first = step * _shape.BlockPanels;
        int next = first + _shape.BlockPanels;
        if (column >= next ? false : column >= first || _wanted == SweepResult.Factor)
        {
            return;
        }

        for (int row = firstRow; row < end; row++)
        {
            bool isFactored = row >= first && row < next;
            bool isNextBlock = column >= next && row < next + _shape.BlockPanels;
            if (isFactored || isNextBlock)
            {
                continue;
            }

            UpdateSquare(step, row, column);
        }
    }

    private void UpdateSquare(int step, int row, int column)
    {
        bool isLast = step == _shape.Steps - 1 && _wanted == SweepResult.Inverse;
        if (step > 0 && !isLast)
        {
            AddProduct(step, row, column);
            return;
        }

        // Memory is slow and tiles leave it idle, so the two take turns with short runs of rows.
        int rows = _shape.RowsOf(row);
        int run = TriangleCopy<T, TTile>.RunOfRows;
        if (step == 0)
        {
            _copy.Fetch(row + 1, column);
        }

        for (int i = 0; i < rows; i += run)
        {
            if (step == 0)
            {
                _copy.LoadRun(row, column, i);
            }

            AddProduct(step, row, column, i, Math.Min(rows, i + run));
            if (isLast)
            {
                _copy.StoreRun(row, column, i);
            }
        }
    }

    /// <summary>Adds the product of two solved panels to a square.</summary>
    public void AddProduct(int step, int row, int column) => AddProduct(step, row, column, 0, _shape.RowsOf(row));

    /// <summary>Adds the product of two solved panels to a run of a square's rows.</summary>
    private void AddProduct(int step, int row, int column, int firstRow, int endRow)
    {
        T* left = Packed(row);
        T* right = Packed(column);
        T* target = Square(row, column);
        int size = _shape.SizeOf(step);
        for (int i = firstRow; i < endRow; i += TTile.Rows)
        {
            Prefetch(target + SquareLength + (i * TTile.Columns));
            int thirds = row == column ? TTile.ThirdsOf(i + TTile.Rows) : 3;
            TTile.Add(thirds, size, left + i, TTile.Columns, right, target + (i * TTile.Columns));
        }
    }

    /// <summary>Calls for a tile of the square below, which is next: 5% of the time of n = 2048, whose triangle is beyond the second-level cache.</summary>
    private static void Prefetch(T* tile)
    {
        if (Sse.IsSupported)
        {
            var line = (byte*)tile;
            for (int i = 0; i < TTile.Rows * TTile.Columns * sizeof(T); i += 64)
            {
                Sse.Prefetch1(line + i);
            }
        }
    }
}
