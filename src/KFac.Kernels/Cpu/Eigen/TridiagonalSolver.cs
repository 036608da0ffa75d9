using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Eigendecomposition of a symmetric tridiagonal matrix by divide and conquer.</summary>
/// <remarks>
/// Cuppen (1981) with the deflation of Gu and Eisenstat (1995): the matrix is torn at every leaf boundary by rank-one
/// corrections, leaves of at most <see cref="LeafSize"/> are solved by implicit QL in float64, and pairs are merged level by
/// level (<see cref="TridiagonalMerge"/>). Scalars are float64, eigenvectors float32: their products, which are nearly all
/// the work, are float32 matrix products. Vectors are rows throughout, so that deflation moves and rotates contiguous
/// memory. Merges of a level are tasks; when there are fewer of them than threads, each is spread over the threads instead.
/// </remarks>
internal readonly unsafe struct TridiagonalSolver
{
    private const int LeafSize = 32;

    private readonly CpuDevice _device;
    private readonly bool _isParallel;
    private readonly TridiagonalWorkspace _work;
    private readonly int _levels;
    private readonly int _n;
    private readonly double _norm;

    /// <param name="norm">Largest absolute row sum of the matrix: what deflation is relative to.</param>
    public TridiagonalSolver(CpuDevice device, bool isParallel, in TridiagonalWorkspace work, double norm)
    {
        _device = device;
        _isParallel = isParallel;
        _work = work;
        _norm = norm;
        _n = work.Size;
        while (_n > LeafSize << _levels)
        {
            _levels++;
        }
    }

    /// <summary>Replaces the diagonal by the eigenvalues, ascending, and fills Order with the row of Vectors that belongs to each.</summary>
    /// <returns>False when the iteration did not converge.</returns>
    public bool Run()
    {
        for (int leaf = 1; leaf < 1 << _levels; leaf++)
        {
            int cut = Boundary(_levels, leaf);
            double coupling = Math.Abs(_work.OffDiagonal[cut - 1]);
            _work.Diagonal[cut - 1] -= coupling;
            _work.Diagonal[cut] -= coupling;
        }

        int failures = 0;
        var job = new Job(this, _levels, &failures);
        RunJob(1 << _levels, &Job.SolveLeaf, ref job);
        if (failures != 0)
        {
            return false;
        }

        for (int level = _levels - 1; level >= 0; level--)
        {
            MergeLevel(level);
        }

        return true;
    }

    private void MergeLevel(int level)
    {
        if (_isParallel && 1 << level < _device.Workers.Threads)
        {
            for (int pair = 0; pair < 1 << level; pair++)
            {
                Merge(level, pair, isParallel: true);
            }

            return;
        }

        var job = new Job(this, level, null);
        RunJob(1 << level, &Job.Merge, ref job);
    }

    private void RunJob(int tasks, delegate*<void*, int, void> body, ref Job job)
    {
        if (_isParallel)
        {
            _device.Workers.Run(tasks, body, Unsafe.AsPointer(ref job));
            return;
        }

        for (int task = 0; task < tasks; task++)
        {
            body(Unsafe.AsPointer(ref job), task);
        }
    }

    private int Boundary(int level, int index) => (int)(((long)_n * index) >> level);

    private void Merge(int level, int pair, bool isParallel)
    {
        int low = Boundary(level, pair);
        int middle = Boundary(level + 1, (2 * pair) + 1);
        int high = Boundary(level, pair + 1);
        new TridiagonalMerge(_device, isParallel, _work, _norm, low, middle, high).Run();
    }

    private bool SolveLeaf(int leaf)
    {
        int low = Boundary(_levels, leaf);
        int size = Boundary(_levels, leaf + 1) - low;
        double* vectors = stackalloc double[size * size];
        double* couplings = stackalloc double[size];
        new Span<double>(vectors, size * size).Clear();
        for (int i = 0; i < size; i++)
        {
            vectors[(i * size) + i] = 1;
            couplings[i] = i < size - 1 ? _work.OffDiagonal[low + i] : 0;
        }

        if (!TridiagonalQl.Iterate(size, _work.Diagonal + low, couplings, vectors, size, size))
        {
            return false;
        }

        TridiagonalQl.Sort(size, _work.Diagonal + low, _work.Order + low);
        for (int i = 0; i < size; i++)
        {
            _work.Order[low + i] += low;
            float* row = _work.Vectors + ((low + i) * _work.Stride);
            for (int j = 0; j < size; j++)
            {
                row[low + j] = (float)vectors[(i * size) + j];
            }
        }

        return true;
    }

    private readonly struct Job(TridiagonalSolver solver, int level, int* failures)
    {
        public static void SolveLeaf(void* context, int task)
        {
            ref readonly Job job = ref Unsafe.AsRef<Job>(context);
            job.SolveLeaf(task);
        }

        public static void Merge(void* context, int task)
        {
            ref readonly Job job = ref Unsafe.AsRef<Job>(context);
            job.Merge(task);
        }

        private void SolveLeaf(int leaf)
        {
            if (!solver.SolveLeaf(leaf))
            {
                Interlocked.Increment(ref *failures);
            }
        }

        private void Merge(int pair) => solver.Merge(level, pair, isParallel: false);
    }
}
