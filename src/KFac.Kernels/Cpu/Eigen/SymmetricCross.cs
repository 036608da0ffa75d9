using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary><c>C ← XᵀY</c> where the product is known to be symmetric: the lower triangle in register tiles, then mirrored.</summary>
/// <remarks>Half the arithmetic of the product. A task is a panel's rows of C: they are packed and meet one panel of Y after the other, which
/// the first tile packs on its way. Tasks are taken from the longest rows to the shortest, so that threads end together.</remarks>
internal unsafe struct SymmetricCross<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private readonly CpuDevice _device;
    private readonly int _rows;
    private readonly int _width;
    private readonly int _bands;
    private readonly StridedMatrix _x;
    private readonly StridedMatrix _y;
    private readonly float* _c;
    private readonly long _ldc;

    private SymmetricCross(CpuDevice device, int rows, int width, int bands, StridedMatrix x, StridedMatrix y, float* c, long ldc)
    {
        _device = device;
        _rows = rows;
        _width = width;
        _bands = bands;
        _x = x;
        _y = y;
        _c = c;
        _ldc = ldc;
    }

    /// <param name="rows">Rows of X and Y, at least 1.</param>
    /// <param name="width">Columns of X and Y; C is [width, width].</param>
    public static void Multiply(ItemThreads threads, int rows, int width, StridedMatrix x, StridedMatrix y, float* c, long ldc)
    {
        int panels = (width + GemmCore.WidestPanel - 1) / GemmCore.WidestPanel;
        bool isSmall = (double)rows * width * width < GemmCore.SerialLimit;
        int bands = threads.Count == 1 || isSmall ? 1 : panels;
        var job = new SymmetricCross<TTile, TSimd, TVector>(threads.Device, rows, width, bands, x, y, c, ldc);
        threads.Run(bands, &RunBand, Unsafe.AsPointer(ref job));
    }

    private static void RunBand(void* context, int band) => Unsafe.AsRef<SymmetricCross<TTile, TSimd, TVector>>(context).RunBand(band);

    private readonly void RunBand(int task)
    {
        int start = (_bands - 1 - task) * GemmCore.WidestPanel;
        int end = task == 0 ? _width : start + GemmCore.WidestPanel;
        using ScratchLease lease = _device.Scratch.Rent(GemmCore.ScratchBytes);
        for (int row = start; row < end; row += GemmCore.RowBlock)
        {
            int count = Math.Min(GemmCore.RowBlock, end - row);
            for (int depth = 0; depth < _rows; depth += GemmCore.DepthBlock)
            {
                MultiplyBlock(lease.As<float>(), row, count, depth, Math.Min(GemmCore.DepthBlock, _rows - depth));
            }
        }

        GramSum<TSimd, TVector>.Mirror(start, end, _c, _ldc);
    }

    private readonly void MultiplyBlock(float* scratch, int row, int count, int depth, int steps)
    {
        float* own = scratch;
        float* passing = scratch + (GemmCore.RowBlock * GemmCore.DepthBlock);
        GemmBlock<TTile>.Pack(own, count, steps, _x.From(depth, row));
        float beta = depth == 0 ? 0 : 1;
        for (int column = 0; column < row + count; column += TTile.Columns)
        {
            int columns = Math.Min(TTile.Columns, row + count - column);
            int above = Math.Max(0, column - row);
            float* c = _c + ((row + above) * _ldc) + column;
            float* left = own + ((long)above * steps);
            StridedMatrix y = _y.From(depth, column);
            if (y.ColumnStride == 1 && columns == TTile.Columns)
            {
                LinesAhead none = default;
                GemmBlock<TTile>.MultiplyPacking(
                    count - above, steps, 1, left, (float*)y.Data, y.RowStride, passing, beta, c, _ldc, ref none, isAll: true);
                continue;
            }

            TTile.Pack(passing, steps, columns, y);
            GemmBlock<TTile>.Multiply(count - above, columns, steps, 1, left, passing, beta, c, _ldc);
        }
    }
}
