using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Fixup"/> on the CPU: each operand once through memory.</summary>
/// <remarks>Where gradients of scalars are wanted, the matrix is cut into tiles by its shape and a tile into blocks that stay in the
/// first-level cache: they are summed, mapped and summed again. A tile keeps sixteen float64 sums of each kind (<see cref="IWideSums{TSelf}"/>), and the
/// tiles' results are added in order: neither threads nor the width of vectors change a bit.</remarks>
internal sealed unsafe class CpuFixup(CpuDevice device) : IFixupKernel
{
    private const int Block = 1024;

    public void Activate(MatrixView<float> x, VectorView<float> before, VectorView<float> after, MatrixView<float> y) =>
        ElementLoop.Run(device, new ActivateMap(*before.Pointer, *after.Pointer), x, y);

    public void ActivateBackward(
        MatrixView<float> x, VectorView<float> before, MatrixView<float> outputGradient, MatrixView<float> inputGradient, in ScalarGradients sums)
    {
        var map = new ActivateBackwardMap(*before.Pointer);
        if (sums.AreWanted)
        {
            Sum(map, x, outputGradient, inputGradient, 1, sums);
        }
        else
        {
            ElementLoop.Run(device, map, x, outputGradient, inputGradient);
        }
    }

    public void Join(
        MatrixView<float> skip, MatrixView<float> x, VectorView<float> multiplier, VectorView<float> bias, float scale, MatrixView<float> y) =>
        ElementLoop.Run(device, new JoinMap(scale * *multiplier.Pointer, scale * *bias.Pointer), skip, x, y);

    public void JoinBackward(
        MatrixView<float> x,
        VectorView<float> multiplier,
        float scale,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        in ScalarGradients sums)
    {
        var map = new JoinBackwardMap(scale * *multiplier.Pointer);
        if (sums.AreWanted)
        {
            Sum(map, x, outputGradient, inputGradient, scale, sums);
        }
        else
        {
            ElementLoop.Run(device, map, x, outputGradient, inputGradient);
        }
    }

    /// <summary>Maps, and adds up ∂y and what the map says.</summary>
    private void Sum<TMap>(
        TMap map, MatrixView<float> x, MatrixView<float> outputGradient, MatrixView<float> inputGradient, float scale, in ScalarGradients sums)
        where TMap : unmanaged, ISummedMap
    {
        long elements = (long)x.Rows * x.Columns;
        bool joins = x.IsContiguous && outputGradient.IsContiguous && inputGradient.IsContiguous;
        var grid = new TileGrid(joins ? Math.Min(1, x.Rows) : x.Rows, joins ? elements : x.Columns, CpuReduction.Grain(elements));
        using ScratchLease lease = device.Scratch.Rent(Math.Max(1, grid.Tiles) * 2L * sizeof(double));
        double* partial = lease.As<double>();
        var context = new Context<TMap>(map, x, outputGradient, inputGradient, grid, partial);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Tile<TMap, Simd512, Vector512<float>, WideSums512>,
            VectorWidth.Avx2 => &Tile<TMap, Simd256, Vector256<float>, WideSums256>,
            _ => &Tile<TMap, Simd128, Vector128<float>, WideSums128>,
        };
        device.Workers.Run(grid.Tiles, body, &context);
        double first = 0, second = 0;
        for (int tile = 0; tile < grid.Tiles; tile++)
        {
            first += partial[2 * tile];
            second += partial[(2 * tile) + 1];
        }

        Write(scale * first, sums.Beta, sums.First.Pointer);
        Write(scale * second, sums.Beta, sums.Second.Pointer);
    }

    private static void Write(double sum, float beta, float* gradient) =>
        *gradient = (float)(sum + (beta == 0 ? 0 : (double)beta * *gradient));

    private static void Tile<TMap, TSimd, TVector, TSums>(void* pointer, int task)
        where TMap : unmanaged, ISummedMap
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context<TMap> c = ref *(Context<TMap>*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        TSums first = default, second = default;
        double firstRest = 0, secondRest = 0;
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            for (int done = 0; done < tile.Columns; done += Block)
            {
                int count = Math.Min(Block, tile.Columns - done);
                float* x = c.X(row) + tile.Column + done;
                float* outputGradient = c.OutputGradient(row) + tile.Column + done;
                float* inputGradient = c.InputGradient(row) + tile.Column + done;
                Add(ref second, ref secondRest, outputGradient, count);
                if (TMap.SumsProducts)
                {
                    AddProducts(ref first, ref firstRest, x, outputGradient, count);
                }

                ElementSpan<TMap, TSimd, TVector>.Apply(c.Map, x, outputGradient, inputGradient, null, count);
                if (!TMap.SumsProducts)
                {
                    Add(ref first, ref firstRest, inputGradient, count);
                }
            }
        }

        c.Partial[2 * task] = firstRest + RowSums.Total(first);
        c.Partial[(2 * task) + 1] = secondRest + RowSums.Total(second);
    }

    private static void Add<TSums>(ref TSums sums, ref double rest, float* x, int count)
        where TSums : unmanaged, IWideSums<TSums>
    {
        TSums local = sums;
        int j = 0;
        for (; j + IWideSums<TSums>.Count <= count; j += IWideSums<TSums>.Count)
        {
            TSums.Add(ref local, x + j);
        }

        for (; j < count; j++)
        {
            rest += x[j];
        }

        sums = local;
    }

    private static void AddProducts<TSums>(ref TSums sums, ref double rest, float* x, float* y, int count)
        where TSums : unmanaged, IWideSums<TSums>
    {
        TSums local = sums;
        int j = 0;
        for (; j + IWideSums<TSums>.Count <= count; j += IWideSums<TSums>.Count)
        {
            TSums.AddProduct(ref local, x + j, y + j);
        }

        for (; j < count; j++)
        {
            rest += (double)x[j] * y[j];
        }

        sums = local;
    }

    /// <summary>From x and ∂y to ∂x.</summary>
    private interface ISummedMap : IElementMap
    {
        /// <summary>Whether the first sum is that of x∘∂y, else that of ∂x.</summary>
        static abstract bool SumsProducts { get; }
    }

    private readonly struct ActivateMap(float before, float after) : IElementMap
    {
        public static int Loads => 1;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged =>
            y = TSimd.Add(TSimd.Max(TSimd.Add(x, TSimd.Create(before)), TSimd.Zero), TSimd.Create(after));
    }

    private readonly struct ActivateBackwardMap(float before) : ISummedMap
    {
        public static int Loads => 3;

        public static int Stores => 4;

        public static bool SumsProducts => false;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector outputGradient, ref TVector inputGradient, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector rectified = TSimd.Add(x, TSimd.Create(before));
            TVector passed = TSimd.Select(TSimd.Less(TSimd.Zero, rectified), outputGradient, TSimd.Zero);
            inputGradient = TSimd.Select(TSimd.IsNaN(rectified), rectified, passed);
        }
    }

    private readonly struct JoinMap(float multiplier, float bias) : IElementMap
    {
        public static int Loads => 3;

        public static int Stores => 4;

        public void Apply<TSimd, TVector>(ref TVector skip, ref TVector x, ref TVector y, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged =>
            y = TSimd.Add(skip, TSimd.MultiplyAdd(TSimd.Create(multiplier), x, TSimd.Create(bias)));
    }

    private readonly struct JoinBackwardMap(float multiplier) : ISummedMap
    {
        public static int Loads => 2;

        public static int Stores => 4;

        public static bool SumsProducts => true;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector outputGradient, ref TVector inputGradient, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => inputGradient = TSimd.Multiply(TSimd.Create(multiplier), outputGradient);
    }

    private readonly struct Context<TMap>(
        TMap map, MatrixView<float> x, MatrixView<float> outputGradient, MatrixView<float> inputGradient, TileGrid grid, double* partial)
        where TMap : unmanaged
    {
        public readonly TMap Map = map;
        public readonly TileGrid Grid = grid;
        public readonly double* Partial = partial;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;
        private readonly float* _outputGradient = outputGradient.Pointer;
        private readonly long _outputGradientStride = outputGradient.RowStride;
        private readonly float* _inputGradient = inputGradient.Pointer;
        private readonly long _inputGradientStride = inputGradient.RowStride;

        public float* X(long row) => _x + (row * _xStride);

        public float* OutputGradient(long row) => _outputGradient + (row * _outputGradientStride);

        public float* InputGradient(long row) => _inputGradient + (row * _inputGradientStride);
    }
}
