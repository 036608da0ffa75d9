using System.Numerics;
using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>What a sweep leaves in the matrix.</summary>
internal enum SweepResult
{
    /// <summary>The Cholesky factor L.</summary>
    Factor,

    /// <summary>The inverse.</summary>
    Inverse,
}

/// <summary>Blocked Cholesky factorisation or inversion of one symmetric positive definite matrix, in its lower triangle.</summary>
/// <remarks>
/// Block column by block column, right-looking. With the diagonal block <c>M = Uᵀ·U</c> and the rest of its row and column
/// as panels B, each step solves <c>Z = −U⁻ᵀ·B</c> and adds <c>Zᵀ·Z</c> to the triangle: one symmetric update of rank 96 in a
/// register tile, which is where nearly all the time goes.
/// <para>
/// For the inverse this is the one-sweep algorithm of Bientinesi, Gunter and van de Geijn (ACM TOMS 35, 2008): factor,
/// triangular inverse and product of the usual three passes are merged into one, with the same operations on every element
/// (n³ in all), but each step updates the whole triangle, so threads are busy to the end. The leading part of the triangle
/// holds the inverse X of the leading matrix; the trailing part holds minus the Schur complement, and the block between
/// them A·X. With these signs all updates are sums. B is then replaced by <c>U⁻¹·Z</c>.
/// </para>
/// </remarks>
internal unsafe struct CholeskySweep<T, TTile>
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
    private readonly T* _packed;
    private SweepSchedule _schedule;
    private int _status;

    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public CholeskySweep(int n, SweepResult wanted, void* memory)
    {
        _wanted = wanted;
        _depth = DepthFor(n);
        _diagonal = new PanelSolve<T, TTile>(_depth, (T*)memory);
        _packed = (T*)memory + PanelSolve<T, TTile>.ScratchLength(_depth);
        _matrix = new PanelTriangle<T, TTile>(n, _packed + ((long)PanelTriangle<T, TTile>.PanelCount(n) * PanelLength));
    }

    /// <summary>Minus the matrix before the sweep, the factor or the inverse after it.</summary>
    public readonly PanelTriangle<T, TTile> Matrix => _matrix;

    private readonly int PanelLength => _depth * TTile.Columns;

    private readonly int BlockPanels => _depth / TTile.Columns;

    private static int SquareLength => TTile.Columns * TTile.Columns;

    public static long ScratchBytes(int n)
    {
        int depth = DepthFor(n);
        long packed = (long)PanelTriangle<T, TTile>.PanelCount(n) * depth * TTile.Columns;
        return (PanelSolve<T, TTile>.ScratchLength(depth) + packed + PanelTriangle<T, TTile>.Length(n)) * sizeof(T);
    }

    /// <summary>Factors or inverts the matrix.</summary>
    /// <param name="workers">Null to stay on the calling thread; the bits are the same.</param>
    /// <returns>0, or 1 + the index of the first pivot that is not a positive finite number.</returns>
    public int Run(WorkerPool? workers)
    {
        int steps = (_matrix.Rows + _depth - 1) / _depth;
        int updates = 0;
        for (int end = 0; end < _matrix.Panels; end += ChunkPanels)
        {
            updates += Math.Min(_matrix.Panels, end + ChunkPanels);
        }

        _schedule = new SweepSchedule(steps, _matrix.Panels, updates);
        _status = 0;
        if (_matrix.Panels == 0)
        {
            return 0;
        }

        void* context = Unsafe.AsPointer(ref this);
        if (workers is null)
        {
            Work(context, 0);
        }
        else
        {
            workers.Run(workers.Threads, &Work, context);
        }

        return _status;
    }

    private static int DepthFor(int n) => n <= ShallowLimit ? PanelSolve.ShallowDepth : PanelSolve.Depth;

    private static void Work(void* context, int thread)
    {
        ref CholeskySweep<T, TTile> sweep = ref Unsafe.AsRef<CholeskySweep<T, TTile>>(context);
        while (sweep._schedule.TryTake(out SweepTicket ticket))
        {
            if (Volatile.Read(ref sweep._status) == 0)
            {
                sweep.Do(ticket);
            }

            sweep._schedule.Complete(ticket.Work);
        }
    }

    private void Do(SweepTicket ticket)
    {
        switch (ticket.Work)
        {
            case SweepWork.Factor:
                FactorBlock(ticket.Step);
                break;
            case SweepWork.Solve:
                SolvePanel(ticket.Step, ticket.Part);
                break;
            default:
                Update(ticket.Step, ticket.Part);
                break;
        }
    }

    /// <summary>Rows of a step's diagonal block.</summary>
    private readonly int SizeOf(int step) => Math.Min(_depth, _matrix.Rows - (step * _depth));

    private void FactorBlock(int step)
    {
        int first = step * BlockPanels;
        int end = Math.Min(first + BlockPanels, _matrix.Panels);
        for (int row = first; row < end; row++)
        {
            for (int column = first; column <= row; column++)
            {
                if (step > 0)
                {
                    AddProduct(step - 1, row, column);
                }

                T* target = _diagonal.Block + ((row - first) * PanelLength) + ((column - first) * SquareLength);
                TTile.Transpose(Square(row, column), TTile.Columns, RowsOf(row), TTile.Columns, target, TTile.Columns);
            }
        }

        int status = first < end ? _diagonal.Factor(SizeOf(step)) : 0;
        if (status != 0)
        {
            Volatile.Write(ref _status, (step * _depth) + status);
        }
    }

    private readonly void SolvePanel(int step, int panel)
    {
        int first = step * BlockPanels;
        if (panel >= first + BlockPanels)
        {
            SolveTrailing(first, panel);
        }
        else if (panel >= first)
        {
            StoreDiagonal(step, panel);
        }
        else if (_wanted == SweepResult.Inverse)
        {
            T* rows = _matrix.Panel(panel, step * _depth);
            int size = SizeOf(step);
            _diagonal.Forward(0, size, rows);
            T* packed = _packed + ((long)panel * PanelLength);
            new ReadOnlySpan<T>(rows, size * TTile.Columns).CopyTo(new Span<T>(packed, size * TTile.Columns));
            Negate(packed, rows, size * TTile.Columns);
            _diagonal.Backward(0, size, rows);
        }
    }

    [SkipLocalsInit]
    private readonly void SolveTrailing(int first, int panel)
    {
        T* packed = _packed + ((long)panel * PanelLength);
        for (int column = 0; column < BlockPanels; column++)
        {
            TTile.Transpose(
                Square(panel, first + column), TTile.Columns, RowsOf(panel), TTile.Columns, packed + (column * SquareLength), TTile.Columns);
        }

        _diagonal.Forward(0, _depth, packed);
        T* solved = packed;
        if (_wanted == SweepResult.Inverse)
        {
            T* memory = stackalloc T[PanelLength];
            solved = memory;
            Negate(packed, solved, PanelLength);
            _diagonal.Backward(0, _depth, solved);
        }

        for (int column = 0; column < BlockPanels; column++)
        {
            TTile.Transpose(
                solved + (column * SquareLength), TTile.Columns, TTile.Columns, RowsOf(panel), Square(panel, first + column), TTile.Columns);
        }
    }

    /// <summary>Writes the columns that a panel has of the block's factor or inverse.</summary>
    [SkipLocalsInit]
    private readonly void StoreDiagonal(int step, int panel)
    {
        int size = SizeOf(step);
        int start = (panel * TTile.Columns) - (step * _depth);
        T* target = _matrix.Panel(panel, panel * TTile.Columns);
        if (_wanted == SweepResult.Factor)
        {
            _diagonal.StoreLower(start, size, target);
            return;
        }

        T* solved = stackalloc T[PanelLength];
        new Span<T>(solved, size * TTile.Columns).Clear();
        for (int j = 0; j < TTile.Columns && start + j < size; j++)
        {
            solved[((start + j) * TTile.Columns) + j] = T.One;
        }

        _diagonal.Forward(start, size, solved);
        _diagonal.Backward(start, size, solved);
        int length = (size - start) * TTile.Columns;
        new ReadOnlySpan<T>(solved + (start * TTile.Columns), length).CopyTo(new Span<T>(target, length));
    }

    /// <summary>Adds the products of one panel with a chunk of the panels from it on.</summary>
    private readonly void Update(int step, int part)
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

        int end = Math.Min(_matrix.Panels, start + ChunkPanels);
        for (int row = Math.Max(start, column); row < end; row++)
        {
            bool isFactored = row >= first && row < next;
            bool isNextBlock = column >= next && row < next + BlockPanels;
            if (!isFactored && !isNextBlock)
            {
                AddProduct(step, row, column);
            }
        }
    }

    private readonly void AddProduct(int step, int row, int column)
    {
        T* left = _packed + ((long)row * PanelLength);
        T* right = _packed + ((long)column * PanelLength);
        T* target = Square(row, column);
        int rows = RowsOf(row);
        int size = SizeOf(step);
        for (int i = 0; i < rows; i += TTile.Rows)
        {
            TTile.Add(size, left + i, TTile.Columns, right, target + (i * TTile.Columns));
        }
    }

    private readonly T* Square(int row, int column) => _matrix.Panel(column, row * TTile.Columns);

    private readonly int RowsOf(int panel) => Math.Min(TTile.Columns, _matrix.Rows - (panel * TTile.Columns));

    private static void Negate(T* source, T* target, int length)
    {
        for (int i = 0; i < length; i += Vector<T>.Count)
        {
            (-Vector.Load(source + i)).Store(target + i);
        }
    }
}
