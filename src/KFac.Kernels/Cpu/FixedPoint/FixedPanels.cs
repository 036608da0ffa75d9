using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>A matrix as 16-bit integers, each column in units of its own, in panels of 48 columns as <see cref="FixedTile"/> reads them.</summary>
internal readonly unsafe struct FixedPanels
{
    private const int Lanes = 16;
    private const int ElementBits = 16;

    private readonly int* _memory;

    public FixedPanels(int steps, int columns, void* memory)
    {
        Steps = steps;
        Columns = columns;
        _memory = (int*)memory;
    }

    /// <summary>Rows of the matrix, the steps of k of a product.</summary>
    public int Steps { get; }

    public int Columns { get; }

    public int Count => Panels(Columns);

    /// <summary>Pairs of steps.</summary>
    public int Pairs => PairsOf(Steps);

    public static long Bytes(int steps, int columns) => LinesOf(steps) * Panels(columns) * FixedTile.Columns * sizeof(int);

    /// <summary>Panel <paramref name="index"/>: <see cref="Pairs"/> of 48 columns.</summary>
    public int* Panel(int index) => _memory + (LinesOf(Steps) * index * FixedTile.Columns);

    /// <summary>What an integer stands for in each of a panel's columns.</summary>
    public float* Units(int index) => (float*)(Panel(index) + (Pairs * FixedTile.Columns));

    /// <summary>Squared Frobenius norms of a panel's blocks of <see cref="FixedScale.BlockSteps"/> rows.</summary>
    public float* Squares(int index) => Units(index) + FixedTile.Columns;

    /// <summary>Columns of panel <paramref name="index"/>.</summary>
    public int Width(int index) => Math.Min(FixedTile.Columns, Columns - (index * FixedTile.Columns));

    /// <summary>Converts a matrix whose rows are contiguous.</summary>
    public void Convert(ItemThreads threads, float* source, long stride)
    {
        var job = new Job(this, source, stride);
        threads.Run(Count, &Job.Run, &job);
    }

    /// <summary>Converts the columns of panel <paramref name="index"/>.</summary>
    /// <param name="source">The panel's first column.</param>
    public void ConvertPanel(int index, float* source, long stride)
    {
        int width = Width(index);
        new Span<float>(Squares(index), BlocksOf(Steps)).Clear();
        for (int column = 0; column < FixedTile.Columns; column += Lanes)
        {
            ConvertVector(source + column, stride, Math.Clamp(width - column, 0, Lanes), Panel(index) + column, Units(index) + column, Squares(index));
        }
    }

    private static int PairsOf(int steps) => (steps + 1) / 2;

    private static int BlocksOf(int steps) => (steps + FixedScale.BlockSteps - 1) / FixedScale.BlockSteps;

    /// <summary>A panel in lines of 48 elements: pairs, units and squares.</summary>
    private static long LinesOf(int steps) => PairsOf(steps) + 1L + ((BlocksOf(steps) + FixedTile.Columns - 1) / FixedTile.Columns);

    private static int Panels(int columns) => (columns + FixedTile.Columns - 1) / FixedTile.Columns;

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private void ConvertVector(float* source, long stride, int count, int* target, float* units, float* blockSquares)
    {
        Vector512<float> mask = Simd512.First(count);
        Vector512<float> scale = Scale(source, stride, mask, units, blockSquares);
        Vector512<int> low = Vector512.Create((1 << ElementBits) - 1);
        for (int p = 0; p < Steps; p += 2)
        {
            Vector512<int> first = Avx512F.ConvertToVector512Int32(scale * Avx512F.MaskLoad(source, mask, Vector512<float>.Zero));
            Vector512<int> second = p + 1 == Steps
                ? Vector512<int>.Zero
                : Avx512F.ConvertToVector512Int32(scale * Avx512F.MaskLoad(source + stride, mask, Vector512<float>.Zero));
            ((first & low) | (second << ElementBits)).Store(target);
            source += 2 * stride;
            target += FixedTile.Columns;
        }
    }

    /// <summary>Integers to a unit for up to 16 columns; writes the units, too, and adds to the squares of blocks.</summary>
    private Vector512<float> Scale(float* source, long stride, Vector512<float> mask, float* units, float* blockSquares)
    {
        Vector512<float> largest = Vector512<float>.Zero;
        Vector512<float> largestSquares = Vector512<float>.Zero;
        for (int block = 0; block < Steps; block += FixedScale.BlockSteps)
        {
            Vector512<float> squares = Vector512<float>.Zero;
            int end = Math.Min(Steps, block + FixedScale.BlockSteps);
            for (int p = block; p < end; p++)
            {
                Vector512<float> value = Avx512F.MaskLoad(source, mask, Vector512<float>.Zero);
                squares = Avx512F.FusedMultiplyAdd(value, value, squares);
                largest = Avx512F.Max(largest, Vector512.Abs(value));
                source += stride;
            }

            largestSquares = Avx512F.Max(largestSquares, squares);
            blockSquares[block / FixedScale.BlockSteps] += Vector512.Sum(squares);
        }

        float* scales = stackalloc float[Lanes];
        for (int lane = 0; lane < Lanes; lane++)
        {
            scales[lane] = FixedScale.Scale(largestSquares[lane], largest[lane]);
            units[lane] = FixedScale.Unit(scales[lane]);
        }

        return Vector512.Load(scales);
    }

    private readonly struct Job(FixedPanels panels, float* source, long stride)
    {
        public static void Run(void* context, int panel)
        {
            ref readonly Job job = ref Unsafe.AsRef<Job>(context);
            job.Convert(panel);
        }

        private void Convert(int panel) => panels.ConvertPanel(panel, source + (panel * FixedTile.Columns), stride);
    }
}
