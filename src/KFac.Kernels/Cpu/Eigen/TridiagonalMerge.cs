using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>One step of divide and conquer: the eigendecomposition of <c>diag(T₁, T₂) + ρ·u·uᵀ</c> from those of T₁ and T₂.</summary>
/// <remarks>
/// In the eigenbases of the halves the matrix is <c>diag(d) + ρ·z·zᵀ</c>. What deflates (<see cref="TridiagonalDeflation"/>) are
/// eigenpairs already. The others come from the secular equation; their vectors S turn the old ones by a matrix product. Rows of the
/// first half, rotated rows and rows of the second half are grouped so that the product skips the zero blocks.
/// </remarks>
internal unsafe struct TridiagonalMerge
{
    private const int RootsPerTask = 16;

    private readonly CpuDevice _device;
    private readonly bool _isParallel;
    private readonly TridiagonalWorkspace _work;
    private readonly int _low;
    private readonly int _middle;
    private readonly int _high;
    private TridiagonalDeflation _deflation;

    public TridiagonalMerge(CpuDevice device, bool isParallel, in TridiagonalWorkspace work, double norm, int low, int middle, int high)
    {
        _device = device;
        _isParallel = isParallel;
        _work = work;
        _low = low;
        _middle = middle;
        _high = high;
        _deflation = new TridiagonalDeflation(work, norm, low, middle, high);
    }

    private readonly int Size => _high - _low;

    private readonly int Kept => _deflation.Kept;

    public void Run()
    {
        _deflation.Run();
        if (Kept > 0)
        {
            RunJob((Kept + RootsPerTask - 1) / RootsPerTask);
            TurnVectors();
        }

        FinishDropped();
    }

    private void RunJob(int tasks)
    {
        void* context = Unsafe.AsPointer(ref this);
        if (_isParallel)
        {
            _device.Workers.Run(tasks, &SolveRoots, context);
            return;
        }

        for (int task = 0; task < tasks; task++)
        {
            SolveRoots(context, task);
        }
    }

    private static void SolveRoots(void* context, int task) => Unsafe.AsRef<TridiagonalMerge>(context).SolveRoots(task);

    private readonly void SolveRoots(int task)
    {
        double* poles = _work.Poles + _low;
        int end = Math.Min(Kept, (task + 1) * RootsPerTask);
        for (int i = task * RootsPerTask; i < end; i++)
        {
            double tau = SecularEquation.Solve(i, Kept, poles, _work.SecularWeights + _low, _deflation.Rho, out int origin);
            _work.Diagonal[_low + i] = poles[origin] + tau;
            SecularEquation.WriteVector(
                Kept, _work.GroupedPoles + _low, _work.GroupedWeights + _low, poles[origin], tau, _work.Secular + ((_low + i) * _work.Stride) + _low);
        }
    }

    private readonly void TurnVectors()
    {
        int left = _deflation.LeftRows + _deflation.MixedRows;
        Multiply(0, left, _low, _middle);
        Multiply(_deflation.LeftRows, Kept - _deflation.LeftRows, _middle, _high);
    }

    /// <summary>Columns of the new vectors, from a run of <paramref name="depth"/> grouped rows.</summary>
    private readonly void Multiply(int firstRow, int depth, int firstColumn, int endColumn)
    {
        var turn = new StridedMatrix(_work.Secular + (_low * _work.Stride) + _low + firstRow, _work.Stride, 1);
        var rows = new StridedMatrix(_work.Spare + ((_low + firstRow) * _work.Stride) + firstColumn, _work.Stride, 1);
        float* target = _work.Vectors + (_low * _work.Stride) + firstColumn;
        int columns = endColumn - firstColumn;
        if (_isParallel)
        {
            GemmCore.MultiplyParallel(_device, Kept, columns, depth, 1, turn, rows, 0, target, _work.Stride);
            return;
        }

        using ScratchLease lease = _device.Scratch.Rent(GemmCore.ScratchBytes);
        GemmCore.Multiply(_device.Vectors, lease.As<byte>(), Kept, columns, depth, 1, turn, rows, 0, target, _work.Stride);
    }

    /// <summary>Puts the dropped vectors behind the new ones and orders all values.</summary>
    private readonly void FinishDropped()
    {
        for (int i = Kept; i < Size; i++)
        {
            _deflation.CopyRow(_work.Spare, _low + i, _work.Vectors, _low + i);
            _work.Diagonal[_low + i] = _work.DroppedPoles[_low + i - Kept];
        }

        TridiagonalQl.Sort(Size, _work.Diagonal + _low, _work.Order + _low);
        for (int i = _low; i < _high; i++)
        {
            _work.Order[i] += _low;
        }
    }
}
