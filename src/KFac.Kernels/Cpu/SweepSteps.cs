using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>The arithmetic of a <see cref="CholeskySweep{T, TTile}"/>: what its tickets ask for.</summary>
/// <remarks>
/// The leading part of the triangle holds the inverse X of the leading matrix, the trailing part minus the Schur complement S,
/// and the block between them A·X. With these signs all updates are sums. Every square of the triangle is loaded
/// in the first step, by whoever needs it first, and stored in the last.
/// </remarks>
internal readonly unsafe struct SweepSteps<T, TTile>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    /// <summary>Up to this size, half the depth is faster.</summary>
    private const int ShallowLimit = 384;

    /// <summary>Panels of rows that one part of an update spans; with the tile's depth they stay in the second-level cache.</summary>
    private const int ChunkPanels = 8;

    private readonly SweepResult _wanted;
    private readonly int _depth;
    private readonly PanelTriangle<T, TTile> _matrix;
    private readonly PanelSolve<T, TTile> _diagonal;
    private readonly TriangleCopy<T, TTile> _copy;
    private readonly T* _packed;

    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public SweepSteps(SweepTask task, SweepResult wanted, void* memory)
    {
        int n = task.Size;
        _wanted = wanted;
        _depth = DepthFor(n);
        _diagonal = new PanelSolve<T, TTile>(_depth, (T*)memory);
        _packed = (T*)memory + PanelSolve<T, TTile>.ScratchLength(_depth);
        _matrix = new PanelTriangle<T, TTile>(n, _packed + ((long)PanelTriangle<T, TTile>.PanelCount(n) * PanelLength));
        _copy = new TriangleCopy<T, TTile>(_matrix, task);
    }

    /// <summary>Steps of the sweep.</summary>
    public int Steps => (_matrix.Rows + _depth - 1) / _depth;

    /// <summary>Panels, each of which is to be solved in every step.</summary>
    public int Panels => _matrix.Panels;

    /// <summary>Parts of the triangle, each of which is to be updated in every step.</summary>
    public int Parts
    {
        get
        {
            int parts = 0;
            for (int start = 0; start < _matrix.Panels; start += ChunkPanels)
            {
                parts += Math.Min(_matrix.Panels, start + ChunkPanels);
            }

            return parts;
        }
    }

    private int PanelLength => _depth * TTile.Columns;

    private int BlockPanels => _depth / TTile.Columns;

    private static int SquareLength => TTile.Columns * TTile.Columns;

    public static long ScratchBytes(int n)
    {
        int depth = DepthFor(n);
        long packed = (long)PanelTriangle<T, TTile>.PanelCount(n) * depth * TTile.Columns;
        return (PanelSolve<T, TTile>.ScratchLength(depth) + packed + PanelTriangle<T, TTile>.Length(n)) * sizeof(T);
    }

    /// <summary>Updates a step's diagonal block by the step before and factors it.</summary>
    /// <returns>0, or 1 + the index of the first pivot that is not a positive finite number.</returns>
    public int FactorBlock(int step)
    {
        int first = step * BlockPanels;
        int end = Math.Min(first + BlockPanels, _matrix.Panels);
        for (int row = first; row < end; row++)
        {
            for (int column = first; column <= row; column++)
            {
                if (step <= 1)
                {
                    _copy.Load(row, column);
                }

                if (step > 0)
                {
                    AddProduct(step - 1, row, column);
                }

                T* target = _diagonal.Block + ((row - first) * PanelLength) + ((column - first) * SquareLength);
                TTile.Transpose(Square(row, column), TTile.Columns, RowsOf(row), TTile.Columns, target, TTile.Columns);
            }
        }

        int status = first < end ? _diagonal.Factor(SizeOf(step)) : 0;
        return status == 0 ? 0 : (step * _depth) + status;
    }

    /// <summary>Solves one panel with a step's diagonal block, and replaces it in the triangle.</summary>
    public void SolvePanel(int step, int panel)
    {
        int first = step * BlockPanels;
        if (panel >= first + BlockPanels)
        {
            SolveTrailing(step, panel);
        }
        else if (panel >= first)
        {
            StoreDiagonal(step, panel);
        }
        else if (_wanted == SweepResult.Inverse)
        {
            T* rows = _matrix.Panel(panel, step * _depth);
            int size = SizeOf(step);
            _diagonal.Forward(3, 0, size, rows);
            T* packed = _packed + ((long)panel * PanelLength);
            new ReadOnlySpan<T>(rows, size * TTile.Columns).CopyTo(new Span<T>(packed, size * TTile.Columns));
            Negate(packed, rows, size * TTile.Columns);
            _diagonal.Backward(3, 0, size, rows);
            Finish(step, first, panel);
        }
    }

    [SkipLocalsInit]
    private void SolveTrailing(int step, int panel)
    {
        int first = step * BlockPanels;
        int thirds = TTile.ThirdsOf(RowsOf(panel));
        T* packed = _packed + ((long)panel * PanelLength);
        for (int column = 0; column < BlockPanels; column++)
        {
            if (step == 0)
            {
                _copy.Load(panel, column);
            }

            TTile.Transpose(
                Square(panel, first + column), TTile.Columns, RowsOf(panel), TTile.Columns, packed + (column * SquareLength), TTile.Columns);
        }

        _diagonal.Forward(thirds, 0, _depth, packed);
        T* solved = packed;
        if (_wanted == SweepResult.Inverse)
        {
            T* memory = stackalloc T[PanelLength];
            solved = memory;
            Negate(packed, solved, PanelLength);
            _diagonal.Backward(thirds, 0, _depth, solved);
        }

        for (int column = 0; column < BlockPanels; column++)
        {
            TTile.Transpose(
                solved + (column * SquareLength), TTile.Columns, TTile.Columns, RowsOf(panel), Square(panel, first + column), TTile.Columns);
        }
    }

    /// <summary>Writes the columns that a panel has of the block's factor or inverse.</summary>
    [SkipLocalsInit]
    private void StoreDiagonal(int step, int panel)
    {
        int size = SizeOf(step);
        int start = (panel * TTile.Columns) - (step * _depth);
        T* target = _matrix.Panel(panel, panel * TTile.Columns);
        if (_wanted == SweepResult.Factor)
        {
            _diagonal.StoreLower(start, size, target);
            return;
        }

        int thirds = TTile.ThirdsOf(RowsOf(panel));
        T* solved = stackalloc T[PanelLength];
        new Span<T>(solved, size * TTile.Columns).Clear();
        for (int j = 0; j < TTile.Columns && start + j < size; j++)
        {
            solved[((start + j) * TTile.Columns) + j] = T.One;
        }

        _diagonal.Forward(thirds, start, size, solved);
        _diagonal.Backward(thirds, start, size, solved);
        int length = (size - start) * TTile.Columns;
        new ReadOnlySpan<T>(solved + (start * TTile.Columns), length).CopyTo(new Span<T>(target, length));
        Finish(step, panel, panel);
    }

    /// <summary>In the last step, stores the squares that a panel has in the step's block, from a row of panels on.</summary>
    private void Finish(int step, int firstRow, int panel)
    {
        for (int row = firstRow; step == Steps - 1 && row < _matrix.Panels; row++)
        {
            _copy.StoreSymmetric(row, panel);
        }
    }

    /// <summary>Writes the factor, when the sweep is done.</summary>
    public void StoreFactor() => _copy.StoreLower();

    /// <summary>Adds the products of one panel with a chunk of the panels from it on.</summary>
    public void Update(int step, int part)
    {
        int start = 0;
        int column = part;
        while (column >= Math.Min(_matrix.Panels, start + ChunkPanels))
        {
            start += ChunkPanels;
            column -= Math.Min(_matrix.Panels, start);
        }

        int first = step * BlockPanels;
        int next = first + BlockPanels;
        if (column >= next ? false : column >= first || _wanted == SweepResult.Factor)
        {
            return;
        }

        bool isLast = step == Steps - 1;
        int end = Math.Min(_matrix.Panels, start + ChunkPanels);
        for (int row = Math.Max(start, column); row < end; row++)
        {
            bool isFactored = row >= first && row < next;
            bool isNextBlock = column >= next && row < next + BlockPanels;
            if (isFactored || isNextBlock)
            {
                continue;
            }

            if (step == 0)
            {
                _copy.Load(row, column);
            }

            AddProduct(step, row, column);
            if (isLast && _wanted == SweepResult.Inverse)
            {
                _copy.StoreSymmetric(row, column);
            }
        }
    }

    private static int DepthFor(int n) => n <= ShallowLimit ? PanelSolve.ShallowDepth : PanelSolve.Depth;

    /// <summary>Rows of a step's diagonal block.</summary>
    private int SizeOf(int step) => Math.Min(_depth, _matrix.Rows - (step * _depth));

    private void AddProduct(int step, int row, int column)
    {
        T* left = _packed + ((long)row * PanelLength);
        T* right = _packed + ((long)column * PanelLength);
        T* target = Square(row, column);
        int rows = RowsOf(row);
        int size = SizeOf(step);
        for (int i = 0; i < rows; i += TTile.Rows)
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

    private T* Square(int row, int column) => _matrix.Panel(column, row * TTile.Columns);

    private int RowsOf(int panel) => Math.Min(TTile.Columns, _matrix.Rows - (panel * TTile.Columns));

    private static void Negate(T* source, T* target, int length)
    {
        for (int i = 0; i < length; i += Vector<T>.Count)
        {
            (-Vector.Load(source + i)).Store(target + i);
        }
    }
}
