using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary><c>C ← VQ + VZ</c> for Q made of windows in float32, and a small Z in 16-bit integers.</summary>
/// <remarks>A task takes <see cref="RowsPerTask"/> rows of V: it copies them to C turned, converts them and adds their product with all panels of Z.</remarks>
internal readonly unsafe struct FixedTurn<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsPerTask = 32;

    private readonly CpuDevice _device;
    private readonly int _rows;
    private readonly StridedMatrix _v;
    private readonly CloseEigenvalues<TSimd, TVector> _close;
    private readonly FixedPanels _z;
    private readonly float* _c;
    private readonly long _ldc;

    private FixedTurn(
        CpuDevice device, int rows, StridedMatrix v, in CloseEigenvalues<TSimd, TVector> close, FixedPanels z, float* c, long ldc)
    {
        _device = device;
        _rows = rows;
        _v = v;
        _close = close;
        _z = z;
        _c = c;
        _ldc = ldc;
    }

    /// <param name="rows">Rows of V.</param>
    /// <param name="v">Rows contiguous, as many columns as Z has rows.</param>
    /// <param name="close">Q.</param>
    /// <param name="z">Z, square.</param>
    public static void Run(
        ItemThreads threads, int rows, StridedMatrix v, in CloseEigenvalues<TSimd, TVector> close, FixedPanels z, float* c, long ldc)
    {
        var job = new FixedTurn<TSimd, TVector>(threads.Device, rows, v, close, z, c, ldc);
        threads.Run((rows + RowsPerTask - 1) / RowsPerTask, &RunRows, Unsafe.AsPointer(ref job));
    }

    private static void RunRows(void* context, int task)
    {
        ref readonly FixedTurn<TSimd, TVector> job = ref Unsafe.AsRef<FixedTurn<TSimd, TVector>>(context);
        int first = task * RowsPerTask;
        job.Multiply(first, Math.Min(RowsPerTask, job._rows - first));
    }

    private void Multiply(int first, int rows)
    {
        int width = _z.Columns;
        int stride = FixedRows.Stride(width);
        using ScratchLease lease = _device.Scratch.Rent(RowsPerTask * ((long)stride + 1) * sizeof(float));
        int* own = lease.As<int>();
        float* units = (float*)(own + (RowsPerTask * stride));
        float* c = _c + (first * _ldc);
        for (int i = 0; i < rows; i++)
        {
            float* row = _v.At(first + i, 0);
            units[i] = FixedRows.Convert(row, width, own + (i * stride));
            new Span<float>(row, width).CopyTo(new Span<float>(c + (i * _ldc), width));
            _close.TurnRow(c + (i * _ldc));
        }

        var block = new FixedBlock { A = own, Rows = rows, RowStep = stride, PairStep = 1, Units = units };
        for (int panel = 0; panel < _z.Count; panel++)
        {
            block.MultiplyAdd(_z, panel, c + (panel * FixedTile.Columns), _ldc);
        }
    }
}
