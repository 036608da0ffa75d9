using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction.FirstNonFinite"/> on the CPU: every tile finds its first, the first of all counts.</summary>
internal static unsafe class CpuFirstNonFinite
{
    public static void Run(CpuDevice device, MatrixView<float> x, VectorView<long> result)
    {
        var grid = new TileGrid(x.Rows, x.Columns, CpuReduction.Grain((long)x.Rows * x.Columns));
        using ScratchLease lease = device.Scratch.Rent((long)grid.Tiles * sizeof(long));
        long* first = lease.As<long>();
        var context = new Context(x, grid, first);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Tile<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Tile<Simd256, Vector256<float>>,
            _ => &Tile<Simd128, Vector128<float>>,
        };
        device.Workers.Run(grid.Tiles, body, &context);
        long found = Reduction.None;
        for (int tile = 0; tile < grid.Tiles; tile++)
        {
            bool earlier = first[tile] != Reduction.None && (found == Reduction.None || first[tile] < found);
            found = earlier ? first[tile] : found;
        }

        *result.Pointer = found;
    }

    private static void Tile<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        c.First[task] = Reduction.None;
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            float* x = c.X(row) + tile.Column;
            if (!SimdRow<TSimd, TVector>.AllFinite(x, tile.Columns))
            {
                int j = 0;
                while (float.IsFinite(x[j]))
                {
                    j++;
                }

                c.First[task] = (row * c.Columns) + tile.Column + j;
                return;
            }
        }
    }

    private readonly struct Context(MatrixView<float> x, TileGrid grid, long* first)
    {
        public readonly TileGrid Grid = grid;
        public readonly long* First = first;
        public readonly long Columns = x.Columns;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;

        public float* X(long row) => _x + (row * _xStride);
    }
}
