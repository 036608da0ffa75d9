using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Eigendecomposition of one matrix of more than a few rows.</summary>
/// <remarks>
/// Blocked tridiagonal reduction (<see cref="TridiagonalReduction{TTile, TSimd, TVector}"/>), divide and conquer
/// (<see cref="TridiagonalSolver"/>), and the reflectors applied to the result in blocks (<see cref="ReflectorBlocks"/>). The
/// matrix is first scaled by a power of two to elements of order 1, so that neither squares overflow nor small matrices
/// lose digits; the values are scaled back. Measured on one AVX-512 core for n = 1024: reduction 16 ms, divide and conquer
/// 12 ms, reflectors 15 ms.
/// </remarks>
internal unsafe struct LargeEigen<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsPerTask = 64;
    private const int ColumnsPerBlock = 16;

    private readonly CpuDevice _device;
    private readonly bool _isParallel;
    private readonly EigenTask _task;
    private readonly TridiagonalWorkspace _work;
    private readonly ReflectorBlocks _reflectors;
    private readonly float* _a;
    private readonly float* _tau;
    private readonly int _columnsPerTask;
    private double _scale;

    private LargeEigen(CpuDevice device, bool isParallel, in EigenTask task, byte* memory)
    {
        int n = task.Size;
        _device = device;
        _isParallel = isParallel;
        _task = task;
        _a = (float*)memory;
        _tau = _a + MatrixLength(n);
        byte* rest = (byte*)(_tau + Stride(n));
        _reflectors = new ReflectorBlocks(device, n, _a, Stride(n), _tau, rest);
        _work = new TridiagonalWorkspace(n, Stride(n), rest + ReflectorBlocks.ScratchBytes(n));
        int runs = isParallel ? device.Workers.Threads : 1;
        _columnsPerTask = (((n + runs - 1) / runs) + TTile.Columns - 1) / TTile.Columns * TTile.Columns;
    }

    /// <summary>Diagonalises one item; returns its status.</summary>
    public static int Solve(CpuDevice device, bool isParallel, in EigenTask task)
    {
        int n = task.Size;
        using ScratchLease lease = device.Scratch.Rent(
            ((MatrixLength(n) + Stride(n)) * sizeof(float))
            + ReflectorBlocks.ScratchBytes(n)
            + TridiagonalWorkspace.ScratchBytes(n, Stride(n)));
        return new LargeEigen<TTile, TSimd, TVector>(device, isParallel, task, lease.As<byte>()).Run();
    }

    private static long Stride(int n) => TridiagonalReduction<TTile, TSimd, TVector>.Stride(n);

    private static long MatrixLength(int n) => TridiagonalReduction<TTile, TSimd, TVector>.Rows(n) * Stride(n);

    private int Run()
    {
        int n = _task.Size;
        float largest = LowerTriangle<TSimd, TVector>.LargestMagnitude(_task, 0, n);
        if (!float.IsFinite(largest))
        {
            return 1;
        }

        _scale = LowerTriangle<TSimd, TVector>.Scale(largest);
        RunJob((n + RowsPerTask - 1) / RowsPerTask, &LoadRows);
        Reduce();
        RunJob(_reflectors.Count, &PrepareBlock);
        if (!new TridiagonalSolver(_device, _isParallel, _work, Norm()).Run())
        {
            return 1;
        }

        for (int k = 0; k < n; k++)
        {
            _task.Values[k] = (float)(_work.Diagonal[k] / _scale);
        }

        RunJob((n + _columnsPerTask - 1) / _columnsPerTask, &WriteColumns);
        return 0;
    }

    private void RunJob(int tasks, delegate*<void*, int, void> body)
    {
        void* context = Unsafe.AsPointer(ref this);
        if (_isParallel)
        {
            _device.Workers.Run(tasks, body, context);
            return;
        }

        for (int task = 0; task < tasks; task++)
        {
            body(context, task);
        }
    }

    private static void LoadRows(void* context, int part) => Unsafe.AsRef<LargeEigen<TTile, TSimd, TVector>>(context).LoadRows(part);

    private static void PrepareBlock(void* context, int block) =>
        Unsafe.AsRef<LargeEigen<TTile, TSimd, TVector>>(context)._reflectors.Prepare(block);

    private static void WriteColumns(void* context, int part) => Unsafe.AsRef<LargeEigen<TTile, TSimd, TVector>>(context).WriteColumns(part);

    /// <summary>Rows of the lower triangle, scaled, become columns of the upper triangle; the padding is cleared.</summary>
    private readonly void LoadRows(int part)
    {
        int n = _task.Size;
        long stride = Stride(n);
        int first = part * RowsPerTask;
        int end = Math.Min(n, first + RowsPerTask);
        for (int i = first; i < end; i++)
        {
            new Span<float>(_a + (i * stride) + n, (int)stride - n).Clear();
            new Span<float>(_work.Vectors + (i * stride), (int)stride).Clear();
        }

        for (int column = 0; column < end; column += ColumnsPerBlock)
        {
            for (int i = Math.Max(first, column); i < end; i++)
            {
                float* source = _task.Matrix + (i * _task.MatrixStride);
                int last = Math.Min(column + ColumnsPerBlock - 1, i);
                for (int j = column; j <= last; j++)
                {
                    _a[(j * stride) + i] = (float)(source[j] * _scale);
                }
            }
        }
    }

    private readonly void Reduce()
    {
        using ScratchLease lease = _device.Scratch.Rent(TridiagonalReduction<TTile, TSimd, TVector>.ScratchBytes(_task.Size));
        new TridiagonalReduction<TTile, TSimd, TVector>(_task.Size, _a, lease.As<byte>(), _isParallel ? _device.Workers : null)
            .Run(_work.Diagonal, _work.OffDiagonal, _tau);
    }

    /// <summary>Largest absolute row sum of the tridiagonal matrix.</summary>
    private readonly double Norm()
    {
        double norm = 0;
        for (int i = 0; i < _task.Size; i++)
        {
            double before = i > 0 ? Math.Abs(_work.OffDiagonal[i - 1]) : 0;
            double after = i < _task.Size - 1 ? Math.Abs(_work.OffDiagonal[i]) : 0;
            norm = Math.Max(norm, before + Math.Abs(_work.Diagonal[i]) + after);
        }

        return norm;
    }

    /// <summary>A run of eigenvectors: from rows in the order of computation to columns in the order of the values, through
    /// the reflectors, and turned to their sign.</summary>
    private readonly void WriteColumns(int part)
    {
        int first = part * _columnsPerTask;
        int columns = Math.Min(_columnsPerTask, _task.Size - first);
        float* target = _task.Vectors + first;
        TransposeVectors(first, columns, target);
        using ScratchLease lease = _device.Scratch.Rent(ReflectorBlocks.ApplyScratchBytes(columns));
        _reflectors.Apply(target, _task.VectorsStride, columns, lease.As<byte>());
        EigenvectorSigns<TSimd, TVector>.Fix(target, _task.VectorsStride, _task.Size, columns);
    }

    private readonly void TransposeVectors(int first, int columns, float* target)
    {
        for (int row = 0; row < _task.Size; row += ColumnsPerBlock)
        {
            int end = Math.Min(_task.Size, row + ColumnsPerBlock);
            for (int column = 0; column < columns; column++)
            {
                float* vector = _work.Vectors + (_work.Order[first + column] * _work.Stride);
                for (int i = row; i < end; i++)
                {
                    target[(i * _task.VectorsStride) + column] = vector[i];
                }
            }
        }
    }
}
