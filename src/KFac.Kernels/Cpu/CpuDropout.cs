using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Dropout"/> on the CPU: random words are made a few vectors at a time and used at once.</summary>
internal sealed unsafe class CpuDropout(CpuDevice device) : IDropoutKernel
{
    private const int Grain = 16 * 1024;

    public void Apply(DeviceKey key, float rate, int seedRows, MatrixView<float> x, MatrixView<float> y)
    {
        if (x.IsEmpty)
        {
            return;
        }

        // Without gaps a seed is one long row.
        Context context = x.IsContiguous && y.IsContiguous
            ? new Context(key.OnHost(), rate, 1, x.Rows / seedRows, seedRows * x.Columns, x.Pointer, (long)seedRows * x.Columns, y.Pointer, (long)seedRows * x.Columns)
            : new Context(key.OnHost(), rate, seedRows, x.Rows, x.Columns, x.Pointer, x.RowStride, y.Pointer, y.RowStride);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Tile<PhiloxLanes512, Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Tile<PhiloxLanes256, Simd256, Vector256<float>>,
            _ => &Tile<PhiloxLanes1, Simd128, Vector128<float>>,
        };
        device.Workers.Run(context.Grid.Tiles, body, &context);
    }

    private static void Tile<TLanes, TSimd, TVector>(void* pointer, int task)
        where TLanes : struct, IPhiloxLanes
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        uint* memory = stackalloc uint[PhiloxSteps.Most + CacheLine.Floats];
        uint* words = CacheLine.Align(memory);
        bool past = c.X != c.Y && ElementLoop.IsBeyondCaches(c.Rows * c.Columns);
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            long end = tile.Column + tile.Columns;
            int count;
            for (long column = tile.Column; column < end; column += count)
            {
                ulong number = (ulong)((row % c.SeedRows * c.Columns) + column);
                count = PhiloxSteps.Length(number, end - column);
                float* x = c.X + (row * c.XStride) + column;
                float* y = c.Y + (row * c.YStride) + column;
                Fetch(x, count);
                PhiloxWords<TLanes>.Fill(c.Key, number, words, count);
                ElementSpan<DropMap, TSimd, TVector>.Apply(
                    past && (nuint)y % (nuint)sizeof(TVector) == 0, c.Map, (float*)words, x, y, null, count);
            }
        }
    }

    /// <summary>Has memory fetch what a step reads while its words are made: a step is as long as the processor looks ahead.</summary>
    private static void Fetch(float* x, int count)
    {
        for (int i = 0; Sse.IsSupported && i < count; i += CacheLine.Floats)
        {
            Sse.Prefetch0(x + i);
        }
    }

    private readonly struct Context(
        PhiloxKey key, float rate, int seedRows, int rows, long columns, float* x, long xStride, float* y, long yStride)
    {
        public readonly PhiloxKey Key = key;
        public readonly DropMap Map = new(rate);
        public readonly int SeedRows = seedRows;
        public readonly long Rows = rows;
        public readonly long Columns = columns;
        public readonly float* X = x;
        public readonly long XStride = xStride;
        public readonly float* Y = y;
        public readonly long YStride = yStride;
        public readonly TileGrid Grid = new(rows, columns, Grain);
    }

    private readonly struct DropMap(float rate) : IElementMap
    {
        private readonly float _scale = 1 / (1 - rate);

        public static int Loads => 3;

        public static int Stores => 4;

        public void Apply<TSimd, TVector>(ref TVector word, ref TVector x, ref TVector y, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector dropped = TSimd.Less(SimdBoxMuller<TSimd, TVector>.Uniform(word), TSimd.Create(rate));
            y = TSimd.Select(dropped, TSimd.Zero, TSimd.Multiply(TSimd.Create(_scale), x));
        }
    }
}
