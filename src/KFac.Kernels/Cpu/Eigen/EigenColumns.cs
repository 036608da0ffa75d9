using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>The columns that take part in a step, k of n, in the order of their values, and its workspace.</summary>
/// <param name="count">k.</param>
/// <param name="vectors">V, [n, k].</param>
/// <param name="residuals">R, [n, k]; its memory is free once F is computed.</param>
/// <param name="f">F, [k, k].</param>
/// <param name="s">S, [k, k].</param>
internal readonly unsafe struct ActiveColumns(int count, StridedMatrix vectors, float* residuals, float* f, float* s)
{
    public int Count { get; } = count;

    public StridedMatrix Vectors { get; } = vectors;

    public float* Residuals { get; } = residuals;

    public float* F { get; } = f;

    public float* S { get; } = s;
}

/// <summary>Selects the columns of V that a step turns, gathers them, and puts the columns of the result in order.</summary>
internal unsafe struct EigenColumns<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsPerTask = 64;

    private readonly ItemThreads _threads;
    private readonly EigenTask _task;
    private readonly WarmEigenMemory _memory;
    private StridedMatrix _basis;
    private ActiveColumns _active;
    private bool _isInOrder;

    public EigenColumns(ItemThreads threads, in EigenTask task, WarmEigenMemory memory)
    {
        _threads = threads;
        _task = task;
        _memory = memory;
    }

    /// <summary>What the matrix was multiplied by.</summary>
    public double Scale { get; set; }

    private readonly int N => _task.Size;

    private readonly int RowTasks => (N + RowsPerTask - 1) / RowsPerTask;

    /// <summary><c>‖AV − V·diag(d)‖</c>.</summary>
    public readonly double ResidualNorm()
    {
        double sum = 0;
        for (int j = 0; j < N; j++)
        {
            sum += _memory.Squares[j];
        }

        return Math.Sqrt(sum);
    }

    /// <summary><c>‖AV‖</c>, which is ‖A‖ for orthogonal V.</summary>
    public readonly double Norm()
    {
        double sum = 0;
        for (int j = 0; j < N; j++)
        {
            sum += _memory.Squares[j] + (_memory.Values[j] * _memory.Values[j]);
        }

        return Math.Sqrt(sum);
    }

    /// <summary>Gathers the columns whose residuals count and sorts them by their values.</summary>
    /// <param name="negligible">Residual of a column that is left as it is.</param>
    public ActiveColumns Gather(StridedMatrix basis, double negligible)
    {
        int k = 0;
        _isInOrder = true;
        for (int j = 0; j < N; j++)
        {
            if (_memory.Squares[j] > negligible * negligible)
            {
                _isInOrder &= k == 0 || _memory.Sorted[k - 1] <= _memory.Values[j];
                _memory.Active[k] = j;
                _memory.Sorted[k++] = _memory.Values[j];
            }
        }

        if (!_isInOrder)
        {
            new Span<double>(_memory.Sorted, k).Sort(new Span<int>(_memory.Active, k));
        }

        for (int i = 0; i < k; i++)
        {
            _memory.Selected[i] = (float)_memory.Sorted[i];
        }

        if (k == N && _isInOrder)
        {
            return new ActiveColumns(k, basis, _memory.Block(0), _memory.Block(1), _memory.Block(2));
        }

        _basis = basis;
        _active = new ActiveColumns(k, new StridedMatrix(_memory.Block(3), _memory.Stride, 1), _memory.Block(1), _memory.Block(0), _memory.Block(2));
        _threads.Run(RowTasks, &GatherRows, Unsafe.AsPointer(ref this));
        return _active;
    }

    /// <summary>Writes the values in ascending order, as they are after a step, and notes the order of the vectors; true when a step turned all
    /// columns and they are in order already, so that its product may go straight to the output.</summary>
    public bool Order(ActiveColumns active)
    {
        _active = active;
        for (int j = 0; j < N; j++)
        {
            _memory.Sorted[j] = _memory.Values[j];
            _memory.Source[j] = ~j;
        }

        for (int i = 0; i < active.Count; i++)
        {
            _memory.Sorted[_memory.Active[i]] = (double)_memory.Selected[i] + _memory.Shifts[i];
            _memory.Source[_memory.Active[i]] = i;
        }

        Sort();
        return _isInOrder && active.Count == N;
    }

    /// <summary>Writes vectors in the order of values: the active columns from where the step left them, in the memory of the
    /// residuals, all others from the basis, which may be the output itself.</summary>
    /// <param name="isWritten">Whether the step wrote them to the output itself.</param>
    public void Write(StridedMatrix basis, bool isWritten)
    {
        _basis = basis;
        if (!isWritten && (_active.Count > 0 || !_isInOrder || basis.Data != (nint)_task.Vectors))
        {
            _threads.Run(RowTasks, &WriteRows, Unsafe.AsPointer(ref this));
        }

        ColumnSigns<TSimd, TVector>.Fix(_threads, _task.Vectors, _task.VectorsStride, N, _memory.Sums);
    }

    /// <summary>Brings values and sources in order; notes whether all sources follow each other.</summary>
    private void Sort()
    {
        bool isSorted = true;
        for (int j = 1; j < N; j++)
        {
            isSorted &= _memory.Sorted[j - 1] <= _memory.Sorted[j];
        }

        if (!isSorted)
        {
            new Span<double>(_memory.Sorted, N).Sort(new Span<int>(_memory.Source, N));
        }

        bool isActive = _active.Count == N;
        _isInOrder = isActive || _active.Count == 0;
        for (int j = 0; j < N; j++)
        {
            _isInOrder &= _memory.Source[j] == (isActive ? j : ~j);
            _task.Values[j] = (float)(_memory.Sorted[j] / Scale);
        }
    }

    private static void GatherRows(void* context, int task)
    {
        ref readonly EigenColumns<TSimd, TVector> job = ref Unsafe.AsRef<EigenColumns<TSimd, TVector>>(context);
        int* active = job._memory.Active;
        for (int i = task * RowsPerTask; i < Math.Min(job.N, (task + 1) * RowsPerTask); i++)
        {
            float* v = job._basis.At(i, 0);
            float* r = job._memory.Block(0) + (i * job._memory.Stride);
            float* vectors = job._active.Vectors.At(i, 0);
            float* residuals = job._active.Residuals + (i * job._memory.Stride);
            for (int j = 0; j < job._active.Count; j++)
            {
                vectors[j] = v[active[j]];
                residuals[j] = r[active[j]];
            }
        }
    }

    private static void WriteRows(void* context, int task)
    {
        ref readonly EigenColumns<TSimd, TVector> job = ref Unsafe.AsRef<EigenColumns<TSimd, TVector>>(context);
        using ScratchLease lease = job._threads.Device.Scratch.Rent(job.N * sizeof(float));
        for (int i = task * RowsPerTask; i < Math.Min(job.N, (task + 1) * RowsPerTask); i++)
        {
            job.WriteRow(i, lease.As<float>());
        }
    }

    private readonly void WriteRow(int i, float* row)
    {
        float* turned = _active.Residuals + (i * _memory.Stride);
        float* kept = _basis.At(i, 0);
        var target = new Span<float>(_task.Vectors + (i * _task.VectorsStride), N);
        if (_isInOrder)
        {
            new Span<float>(_active.Count == N ? turned : kept, N).CopyTo(target);
            return;
        }

        int* source = _memory.Source;
        for (int j = 0; j < N; j++)
        {
            row[j] = source[j] >= 0 ? turned[source[j]] : kept[~source[j]];
        }

        new Span<float>(row, N).CopyTo(target);
    }
}
