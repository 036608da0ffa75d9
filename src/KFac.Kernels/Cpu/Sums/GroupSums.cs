using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Two sums for every column of every group of rows, as batch normalisation needs them.</summary>
/// <remarks>A task sums up to <see cref="RowsPerTask"/> rows, cut by shape, in float32 over <see cref="RowsPerPartial"/> and in float64
/// beyond; the tasks of a group are added in order. Rows are read as they lie in memory, a <see cref="Stretch"/> of them at a time whose sums
/// the first-level cache holds: going down the columns of rows that are pages apart took three times as long.</remarks>
internal unsafe struct GroupSums
{
    private const int RowsPerPartial = 64;
    private const int RowsPerTask = 256;

    /// <summary>Columns, a whole number of vectors.</summary>
    private const int Stretch = 1024;

    private readonly CpuDevice _device;
    private readonly MatrixView<float> _x;
    private readonly int _groupRows;
    private readonly MatrixView<float> _gradients;
    private readonly MatrixView<float> _statistics;
    private readonly int _seeds;
    private readonly int _inputGroups;
    private readonly int _tasksPerGroup;
    private readonly long _ahead;
    private double* _sums;
    private double* _partial;

    public GroupSums(
        CpuDevice device, MatrixView<float> x, int groupRows, MatrixView<float> gradients = default, MatrixView<float> statistics = default)
    {
        _device = device;
        _x = x;
        _groupRows = groupRows;
        _gradients = gradients;
        _statistics = statistics;
        _ahead = RowTasks.ElementsAhead(x.Columns, x.RowStride);
        _seeds = x.Rows == 0 ? 0 : Math.Max(x.Rows, gradients.Rows) / x.Rows;
        _inputGroups = BatchNorm.Groups(x.Rows, groupRows);
        _tasksPerGroup = (Math.Min(groupRows, x.Rows) + RowsPerTask - 1) / RowsPerTask;
    }

    /// <summary>Groups of all seeds.</summary>
    public readonly int Groups => _seeds * _inputGroups;

    /// <summary>Scratch for the sums and their parts.</summary>
    public readonly long Bytes => 2L * _x.Columns * Groups * (_tasksPerGroup + 1) * sizeof(double);

    /// <summary>The two rows of sums of a group.</summary>
    public readonly double* Of(int group) => _sums + (2L * group * _x.Columns);

    public readonly int RowsOf(int group)
    {
        int first = group % _inputGroups * _groupRows;
        return (int)Math.Min(_groupRows, (long)_x.Rows - first);
    }

    /// <summary><c>Σ(x − x₀)</c> and <c>Σ(x − x₀)²</c> with x₀ the group's first row.</summary>
    public void OfDifferences(double* scratch) => Run(
        scratch, &Differences<Simd512, Vector512<float>>, &Differences<Simd256, Vector256<float>>, &Differences<Simd128, Vector128<float>>);

    /// <summary><c>Σ ∂y</c> and <c>Σ ∂y∘x̂</c>.</summary>
    public void OfGradients(double* scratch) => Run(
        scratch, &Gradients<Simd512, Vector512<float>>, &Gradients<Simd256, Vector256<float>>, &Gradients<Simd128, Vector128<float>>);

    /// <summary>The sums over the rows of their groups, as float32, in their place.</summary>
    public readonly float* ToMeans()
    {
        float* means = (float*)_sums;
        for (int group = 0; group < Groups; group++)
        {
            int rows = RowsOf(group);
            for (long i = 2L * group * _x.Columns; i < 2L * (group + 1) * _x.Columns; i++)
            {
                means[i] = (float)(_sums[i] / rows);
            }
        }

        return means;
    }

    [SkipLocalsInit]
    private static void Differences<TSimd, TVector>(void* context, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref GroupSums s = ref Unsafe.AsRef<GroupSums>(context);
        (int group, int first, int end) = s.RowsOfTask(task);
        float* memory = stackalloc float[(2 * Stretch) + CacheLine.Floats];
        float* sums = CacheLine.Align(memory);
        float* squares = sums + Stretch;
        for (int start = 0; start < s._x.Columns; start += Stretch)
        {
            int count = Math.Min(Stretch, s._x.Columns - start);
            float* origin = s._x.Pointer + ((long)group * s._groupRows * s._x.RowStride) + start;
            for (int row = first; row < end; row += RowsPerPartial)
            {
                new Span<float>(sums, 2 * Stretch).Clear();
                for (int i = row; i < Math.Min(end, row + RowsPerPartial); i++)
                {
                    float* x = s._x.Pointer + ((long)i * s._x.RowStride) + start;
                    for (int j = 0; j < count; j += TSimd.Count)
                    {
                        CacheLine.Fetch(x + j + s._ahead, TSimd.Count);
                        TVector difference = TSimd.Subtract(Part<TSimd, TVector>(x, j, count), Part<TSimd, TVector>(origin, j, count));
                        TSimd.Store(TSimd.Add(TSimd.Load(sums + j), difference), sums + j);
                        TSimd.Store(TSimd.MultiplyAdd(difference, difference, TSimd.Load(squares + j)), squares + j);
                    }
                }

                s.Add(task, start, count, sums, squares);
            }
        }
    }

    [SkipLocalsInit]
    private static void Gradients<TSimd, TVector>(void* context, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref GroupSums s = ref Unsafe.AsRef<GroupSums>(context);
        (int group, int first, int end) = s.RowsOfTask(task);
        int input = group % s._inputGroups;
        long seed = (long)(group / s._inputGroups) * s._x.Rows * s._gradients.RowStride;
        float* memory = stackalloc float[(2 * Stretch) + CacheLine.Floats];
        float* sums = CacheLine.Align(memory);
        float* products = sums + Stretch;
        for (int start = 0; start < s._x.Columns; start += Stretch)
        {
            int count = Math.Min(Stretch, s._x.Columns - start);
            float* mean = s._statistics.Pointer + ((long)input * s._statistics.RowStride) + start;
            float* scale = mean + ((long)s._inputGroups * s._statistics.RowStride);
            for (int row = first; row < end; row += RowsPerPartial)
            {
                new Span<float>(sums, 2 * Stretch).Clear();
                for (int i = row; i < Math.Min(end, row + RowsPerPartial); i++)
                {
                    float* x = s._x.Pointer + ((long)i * s._x.RowStride) + start;
                    float* gradients = s._gradients.Pointer + seed + ((long)i * s._gradients.RowStride) + start;
                    for (int j = 0; j < count; j += TSimd.Count)
                    {
                        CacheLine.Fetch(x + j + s._ahead, TSimd.Count);
                        CacheLine.Fetch(gradients + j + s._ahead, TSimd.Count);
                        TVector gradient = Part<TSimd, TVector>(gradients, j, count);
                        TVector difference = TSimd.Subtract(Part<TSimd, TVector>(x, j, count), Part<TSimd, TVector>(mean, j, count));
                        TVector normal = TSimd.Multiply(difference, Part<TSimd, TVector>(scale, j, count));
                        TSimd.Store(TSimd.Add(TSimd.Load(sums + j), gradient), sums + j);
                        TSimd.Store(TSimd.MultiplyAdd(gradient, normal, TSimd.Load(products + j)), products + j);
                    }
                }

                s.Add(task, start, count, sums, products);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Part<TSimd, TVector>(float* x, int j, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => SimdPart<TSimd, TVector>.Load(x + j, count - j);

    /// <summary>Adds the sums of columns to a task's.</summary>
    private readonly void Add(int task, int column, int count, float* first, float* second)
    {
        double* partial = _partial + (2L * task * _x.Columns) + column;
        for (int i = 0; i < count; i++)
        {
            partial[i] += first[i];
            partial[_x.Columns + i] += second[i];
        }
    }

    /// <summary>Rows of x; empty where the last group has fewer than the others.</summary>
    private readonly (int Group, int First, int End) RowsOfTask(int task)
    {
        int group = task / _tasksPerGroup;
        int start = group % _inputGroups * _groupRows;
        int first = Math.Min(task % _tasksPerGroup * RowsPerTask, RowsOf(group));
        int end = Math.Min(first + RowsPerTask, RowsOf(group));
        return (group, start + first, start + end);
    }

    private void Run(
        double* scratch, delegate*<void*, int, void> wide, delegate*<void*, int, void> medium, delegate*<void*, int, void> narrow)
    {
        _sums = scratch;
        _partial = scratch + (2L * Groups * _x.Columns);
        new Span<byte>(scratch, checked((int)Bytes)).Clear();
        delegate*<void*, int, void> body = _device.Vectors switch
        {
            VectorWidth.Avx512 => wide,
            VectorWidth.Avx2 => medium,
            _ => narrow,
        };
        int tasks = Groups * _tasksPerGroup;
        _device.Workers.Run(tasks, body, Unsafe.AsPointer(ref this));
        for (int task = 0; task < tasks; task++)
        {
            double* sums = Of(task / _tasksPerGroup);
            double* partial = _partial + (2L * task * _x.Columns);
            for (int i = 0; i < 2 * _x.Columns; i++)
            {
                sums[i] += partial[i];
            }
        }
    }
}
