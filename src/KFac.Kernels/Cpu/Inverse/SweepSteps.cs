using System.Numerics;
using System.Runtime.CompilerServices;

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
    private readonly SweepResult _wanted;
    private readonly SweepShape<T, TTile> _shape;
    private readonly PanelTriangle<T, TTile> _matrix;
    private readonly PanelSolve<T, TTile> _diagonal;
    private readonly TriangleCopy<T, TTile> _copy;
    private readonly SweepUpdate<T, TTile> _update;

    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public SweepSteps(SweepTask task, SweepResult wanted, void* memory)
    {
        _wanted = wanted;
        _shape = new SweepShape<T, TTile>(task.Size);
        _diagonal = new PanelSolve<T, TTile>(_shape.Depth, (T*)memory);
        T* packed = (T*)memory + PanelSolve<T, TTile>.ScratchLength(_shape.Depth);
        _matrix = new PanelTriangle<T, TTile>(task.Size, packed + SweepUpdate<T, TTile>.PackedLength(_shape));
        _copy = new TriangleCopy<T, TTile>(_matrix, task);
        _update = new SweepUpdate<T, TTile>(_shape, wanted, _matrix, _copy, packed);
    }

    public SweepShape<T, TTile> Shape => _shape;

    private static int SquareLength => TTile.Columns * TTile.Columns;

    public static long ScratchBytes(int n)
    {
        var shape = new SweepShape<T, TTile>(n);
        long packed = SweepUpdate<T, TTile>.PackedLength(shape);
        return (PanelSolve<T, TTile>.ScratchLength(shape.Depth) + packed + PanelTriangle<T, TTile>.Length(n)) * sizeof(T);
    }

    /// <summary>Updates a step's diagonal block by the step before and factors it.</summary>
    /// <returns>0, or 1 + the index of the first pivot that is not a positive finite number.</returns>
    public int FactorBlock(int step)
    {
        int first = step * _shape.BlockPanels;
        int end = Math.Min(first + _shape.BlockPanels, _shape.Panels);
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
                    _update.AddProduct(step - 1, row, column);
                }

                T* target = _diagonal.Block + ((row - first) * _shape.PanelLength) + ((column - first) * SquareLength);
                TTile.Transpose(_update.Square(row, column), TTile.Columns, _shape.RowsOf(row), TTile.Columns, target, TTile.Columns);
            }
        }

        int status = first < end ? _diagonal.Factor(_shape.SizeOf(step)) : 0;
        return status == 0 ? 0 : (step * _shape.Depth) + status;
    }

    /// <summary>Solves one panel with a step's diagonal block, and replaces it in the triangle.</summary>
    public void SolvePanel(int step, int panel)
    {
        int first = step * _shape.BlockPanels;
        if (panel >= first + _shape.BlockPanels)
        {
            SolveTrailing(step, panel);
        }
        else if (panel >= first)
        {
            StoreDiagonal(step, panel);
        }
        else if (_wanted == SweepResult.Inverse)
        {
            T* rows = _matrix.Panel(panel, step * _shape.Depth);
            int size = _shape.SizeOf(step);
            _diagonal.Forward(3, 0, size, rows);
            T* packed = _update.Packed(panel);
            new ReadOnlySpan<T>(rows, size * TTile.Columns).CopyTo(new Span<T>(packed, size * TTile.Columns));
            Negate(packed, rows, size * TTile.Columns);
            _diagonal.Backward(3, 0, size, rows);
            Finish(step, first, panel);
        }
    }

    [SkipLocalsInit]
    private void SolveTrailing(int step, int panel)
    {
        int first = step * _shape.BlockPanels;
        int thirds = TTile.ThirdsOf(_shape.RowsOf(panel));
        T* packed = _update.Packed(panel);
        for (int column = 0; column < _shape.BlockPanels; column++)
        {
            if (step == 0)
            {
                _copy.Load(panel, column);
            }

            TTile.Transpose(
                _update.Square(panel, first + column), TTile.Columns, _shape.RowsOf(panel), TTile.Columns, packed + (column * SquareLength), TTile.Columns);
        }

        _diagonal.Forward(thirds, 0, _shape.Depth, packed);
        T* solved = packed;
        if (_wanted == SweepResult.Inverse)
        {
            T* memory = stackalloc T[_shape.PanelLength];
            solved = memory;
            Negate(packed, solved, _shape.PanelLength);
            _diagonal.Backward(thirds, 0, _shape.Depth, solved);
        }

        for (int column = 0; column < _shape.BlockPanels; column++)
        {
            TTile.Transpose(
                solved + (column * SquareLength), TTile.Columns, TTile.Columns, _shape.RowsOf(panel), _update.Square(panel, first + column), TTile.Columns);
        }
    }

    /// <summary>Writes the columns that a panel has of the block's factor or inverse.</summary>
    [SkipLocalsInit]
    private void StoreDiagonal(int step, int panel)
    {
        int size = _shape.SizeOf(step);
        int start = (panel * TTile.Columns) - (step * _shape.Depth);
        T* target = _matrix.Panel(panel, panel * TTile.Columns);
        if (_wanted == SweepResult.Factor)
        {
            _diagonal.StoreLower(start, size, target);
            return;
        }

        int thirds = TTile.ThirdsOf(_shape.RowsOf(panel));
        T* solved = stackalloc T[_shape.PanelLength];
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
        for (int row = firstRow; step == _shape.Steps - 1 && row < _shape.Panels; row++)
        {
            _copy.StoreSymmetric(row, panel);
        }
    }

    /// <summary>Writes the factor, when the sweep is done.</summary>
    public void StoreLower() => _copy.StoreLower();

    /// <summary>Writes the factor in the form that solves read, when the sweep is done.</summary>
    /// <returns>0, or 1 + the index of the first pivot whose reciprocal float32 cannot hold.</returns>
    public int StorePacked(in PackedFactor factor, WorkerPool? workers) => FactorPacking<T, TTile>.Run(_matrix, factor, workers);

    /// <summary>Adds the step's products to one part of the triangle.</summary>
    public void Update(int step, int part) => _update.UpdatePart(step, part);

    private static void Negate(T* source, T* target, int length)
    {
        for (int i = 0; i < length; i += Vector<T>.Count)
        {
            (-Vector.Load(source + i)).Store(target + i);
        }
    }
}
