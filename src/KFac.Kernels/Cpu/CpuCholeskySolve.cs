using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="CholeskySolve"/> on the CPU: a <see cref="CholeskySweep{T, TTile}"/> and <see cref="FactorPacking{T, TTile}"/> for
/// each item, <see cref="PackedSolve{TTile}"/> for each group of vectors.</summary>
/// <remarks>Items are spread over the threads by <see cref="SizedBatch"/>. Products are cut at whole tiles of vectors into as many shares as there are
/// threads, which do not wait for each other: 100 vectors alone are 7 tiles for one thread and 6 for the other.</remarks>
internal sealed unsafe class CpuCholeskySolve(CpuDevice device) : ICholeskySolveKernel
{
    public bool PaysForFewVectors => true;

    public void Factor(ReadOnlySpan<CholeskySolveItem> items, VectorView<int> status, InversePrecision precision)
    {
        if (precision == InversePrecision.Double)
        {
            Factor<double, PanelTileDouble>(items, status);
            return;
        }

        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Factor<float, PanelTile<GemmTile512, Simd512, Vector512<float>>>(items, status);
                break;
            case VectorWidth.Avx2:
                Factor<float, PanelTile<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>>(items, status);
                break;
            default:
                Factor<float, PanelTile<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>>(items, status);
                break;
        }
    }

    public void Apply(ReadOnlySpan<CholeskySolveProduct> products)
    {
        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Apply<GemmTile512, Simd512, Vector512<float>>(products);
                break;
            case VectorWidth.Avx2:
                Apply<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>(products);
                break;
            default:
                Apply<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>(products);
                break;
        }
    }

    private void Factor<T, TTile>(ReadOnlySpan<CholeskySolveItem> items, VectorView<int> status)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TTile : struct, IPanelTile<T>
    {
        using ScratchLease lease = device.Scratch.Rent((long)items.Length * sizeof(FactorTask));
        var tasks = new Span<FactorTask>(lease.As<FactorTask>(), items.Length);
        for (int i = 0; i < items.Length; i++)
        {
            tasks[i] = new FactorTask(items[i], status.Pointer + i);
        }

        SizedBatch.Run(device.Workers, tasks, device, &Factor<T, TTile>);
    }

    private static void Factor<T, TTile>(CpuDevice device, bool isCutUp, in FactorTask task)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TTile : struct, IPanelTile<T>
    {
        WorkerPool? workers = isCutUp ? device.Workers : null;
        using ScratchLease lease = device.Scratch.Rent(CholeskySweep<T, TTile>.ScratchBytes(task.Size));
        var sweep = new CholeskySweep<T, TTile>(task.Sweep, SweepResult.Factor, lease.As<byte>());
        int status = sweep.Run(workers);
        *task.Sweep.Status = status != 0 ? status : sweep.StorePacked(task.Factor, workers);
    }

    private void Apply<TTile, TSimd, TVector>(ReadOnlySpan<CholeskySolveProduct> products)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        using ScratchLease lease = device.Scratch.Rent((long)products.Length * sizeof(SolveTask));
        SolveTask* tasks = lease.As<SolveTask>();
        for (int i = 0; i < products.Length; i++)
        {
            tasks[i] = new SolveTask(products[i], TTile.Rows);
        }

        var job = new SolveJob(device, tasks, products.Length);
        device.Workers.Run(job.Shares, &SolveJob.Run<TTile, TSimd, TVector>, Unsafe.AsPointer(ref job));
    }

    private static StridedMatrix Strided(MatrixView<float> v, bool areColumns) =>
        areColumns ? new StridedMatrix(v.Pointer, 1, v.RowStride) : new StridedMatrix(v.Pointer, v.RowStride, 1);

    /// <summary>One item, behind pointers.</summary>
    private readonly struct FactorTask(CholeskySolveItem item, int* status) : ISizedTask
    {
        public readonly SweepTask Sweep = new(item.Matrix, item.Damping, default, status);
        public readonly PackedFactor Factor = new(item.Matrix.Rows, item.Factor.Pointer);

        public int Size => Sweep.Size;
    }

    /// <summary>One product, behind pointers.</summary>
    private readonly struct SolveTask
    {
        public readonly PackedFactor Factor;
        public readonly int Vectors;
        public readonly int Tiles;
        private readonly StridedMatrix _v;
        private readonly StridedMatrix _result;
        private readonly int _tileRows;

        public SolveTask(in CholeskySolveProduct product, int tileRows)
        {
            bool isLeft = product.Side == MatrixSide.Left;
            MatrixView<float> v = product.Vectors;
            Factor = new PackedFactor(isLeft ? v.Rows : v.Columns, product.Factor.Pointer);
            Vectors = Factor.Size == 0 ? 0 : isLeft ? v.Columns : v.Rows;
            Tiles = (Vectors + tileRows - 1) / tileRows;
            _v = Strided(v, isLeft);
            _result = Strided(product.Result, isLeft);
            _tileRows = tileRows;
        }

        /// <summary>About what a tile takes, in blocks of the factor.</summary>
        public long TileCost => (long)Factor.Blocks * (Factor.Blocks + 1);

        /// <summary>Solves for the vectors of some tiles.</summary>
        public void Solve<TTile, TSimd, TVector>(CpuDevice device, int firstTile, int endTile)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int most = PackedSolve.MostVectors / _tileRows;
            int groups = (endTile - firstTile + most - 1) / most;
            using ScratchLease lease = device.Scratch.Rent(PackedSolve<TTile>.ScratchBytes(Factor, PackedSolve.MostVectors));
            for (int group = 0; group < groups; group++)
            {
                int first = (firstTile + (int)((long)(endTile - firstTile) * group / groups)) * _tileRows;
                int end = Math.Min(Vectors, (firstTile + (int)((long)(endTile - firstTile) * (group + 1) / groups)) * _tileRows);
                new PackedSolve<TTile>(Factor, lease.As<byte>()).Run<TSimd, TVector>(end - first, _v.From(first, 0), _result.From(first, 0));
            }
        }
    }

    /// <summary>The tiles of all products in a row, cut into even shares: a thread meets as few factors as can be.</summary>
    private readonly struct SolveJob
    {
        private readonly CpuDevice _device;
        private readonly SolveTask* _tasks;
        private readonly int _count;
        private readonly long _cost;

        public SolveJob(CpuDevice device, SolveTask* tasks, int count)
        {
            _device = device;
            _tasks = tasks;
            _count = count;
            long tiles = 0;
            for (int i = 0; i < count; i++)
            {
                tiles += tasks[i].Tiles;
                _cost += tasks[i].Tiles * tasks[i].TileCost;
            }

            Shares = (int)Math.Min(tiles, device.Workers.Threads);
        }

        public int Shares { get; }

        public static void Run<TTile, TSimd, TVector>(void* context, int share)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref readonly SolveJob job = ref Unsafe.AsRef<SolveJob>(context);
            job.Solve<TTile, TSimd, TVector>(share);
        }

        private void Solve<TTile, TSimd, TVector>(int share)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            long start = _cost * share / Shares;
            long end = _cost * (share + 1) / Shares;
            for (int i = 0; i < _count; i++)
            {
                ref readonly SolveTask task = ref _tasks[i];
                (int first, int last) = (TileAt(task, start), TileAt(task, end));
                if (first < last)
                {
                    task.Solve<TTile, TSimd, TVector>(_device, first, last);
                }

                start -= task.Tiles * task.TileCost;
                end -= task.Tiles * task.TileCost;
            }
        }

        /// <summary>The tile nearest to where so much of the cost is behind.</summary>
        private static int TileAt(in SolveTask task, long cost) =>
            (int)Math.Clamp((cost + (task.TileCost / 2)) / Math.Max(1, task.TileCost), 0, task.Tiles);
    }
}
