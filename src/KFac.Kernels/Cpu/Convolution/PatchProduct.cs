using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Patches times weights: the forward pass of a convolution, and one phase of its adjoint.</summary>
/// <remarks>The weights are packed once, in blocks of at most <see cref="MostDepth"/> rows and panels of columns of equal width.
/// A task then takes some rows of patches through all blocks, a few at a time: it writes a block's columns of them as rows, which the register
/// tiles read where they lie while they pass the block's panels, which stay in the second-level cache. Writing costs a load and a store for
/// as many multiply-adds as there are output channels.</remarks>
internal unsafe struct PatchProduct
{
    /// <summary>Rows of patches a task, at most.</summary>
    private const int MostRows = 384;

    /// <summary>Rows of patches that are written at a time.</summary>
    private const int GroupRows = 48;

    /// <summary>Columns of patches that are accumulated in registers before the result is updated.</summary>
    private const int MostDepth = 384;

    private readonly CpuDevice _device;
    private readonly PatchGrid _grid;
    private readonly ConvolutionWeights _weights;
    private readonly PatchTarget _target;
    private readonly int _rows;
    private readonly int _rowsPerTask;
    private readonly int _columns;
    private int _depth;
    private int _depthBlocks;
    private int _width;
    private int _panels;
    private float* _packed;

    /// <param name="images">Images of the grid.</param>
    public PatchProduct(CpuDevice device, in PatchGrid grid, int images, in ConvolutionWeights weights, in PatchTarget target)
    {
        _device = device;
        _grid = grid;
        _weights = weights;
        _target = target;
        _rows = checked(images * grid.Height * grid.Width);
        _columns = weights.Columns;
        _rowsPerTask = Math.Clamp(_rows / 16 / 8 * 8, 32, MostRows);
    }

    public void Run()
    {
        switch (_device.Vectors)
        {
            case VectorWidth.Avx512:
                Run<GemmTile512, Simd512, Vector512<float>>();
                break;
            case VectorWidth.Avx2:
                Run<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>();
                break;
            default:
                Run<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>();
                break;
        }
    }

    private void Run<TTile, TSimd, TVector>()
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        if (_rows == 0 || _columns == 0)
        {
            return;
        }

        _depth = GemmCore.EvenPart(_grid.Columns, MostDepth, 1);
        _depthBlocks = (_grid.Columns + _depth - 1) / _depth;
        _width = GemmCore.EvenPart(_columns, TTile.Columns, TSimd.Count);
        _panels = (_columns + _width - 1) / _width;
        using ScratchLease packed = _device.Scratch.Rent((long)_depthBlocks * _panels * _depth * TTile.Columns * sizeof(float));
        _packed = packed.As<float>();
        void* context = Unsafe.AsPointer(ref this);
        _device.Workers.Run(_depthBlocks * _panels, &Pack<TTile>, context);
        _device.Workers.Run((_rows + _rowsPerTask - 1) / _rowsPerTask, &Multiply<TTile, TSimd, TVector>, context);
    }

    private static void Pack<TTile>(void* context, int task)
        where TTile : struct, IGemmTile
    {
        ref PatchProduct p = ref Unsafe.AsRef<PatchProduct>(context);
        (int block, int panel) = (task / p._panels, task % p._panels);
        int row = block * p._depth;
        int column = panel * p._width;
        p._weights.Pack(
            p._grid,
            row,
            Math.Min(p._depth, p._grid.Columns - row),
            column,
            Math.Min(p._width, p._columns - column),
            p.Panel<TTile>(block, panel),
            TTile.Columns);
    }

    private static void Multiply<TTile, TSimd, TVector>(void* context, int task)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref PatchProduct p = ref Unsafe.AsRef<PatchProduct>(context);
        int row = task * p._rowsPerTask;
        int rows = Math.Min(p._rowsPerTask, p._rows - row);

        // The tiles compute half a tile of rows at least.
        int computed = Math.Max(rows, TTile.Rows / 2);
        long stride = (p._depth + 15) / 16 * 16;
        long patches = Math.Min(GroupRows + TTile.Rows, computed) * stride;
        bool apart = !p._target.IsDense || computed > rows;
        using ScratchLease lease = p._device.Scratch.Rent((patches + (apart ? (long)computed * p._columns : 0)) * sizeof(float));
        float* patch = lease.As<float>();
        if (computed > rows)
        {
            new Span<float>(patch, (int)patches).Clear();
        }

        float* c = apart ? patch + patches : p._target.Row(row);
        long ldc = apart ? p._columns : p._target.Stride;
        for (int block = 0; block < p._depthBlocks; block++)
        {
            float beta = block > 0 ? 1 : apart ? 0 : p._target.Beta;
            for (int first = 0; first < rows;)
            {
                // The last group takes what would be less than half a tile.
                int left = rows - first;
                int group = left < GroupRows + (TTile.Rows / 2) ? left : GroupRows;
                p.MultiplyGroup<TTile, TSimd, TVector>(row + first, group, block, patch, stride, beta, c + (first * ldc), ldc);
                first += group;
            }
        }

        if (apart)
        {
            p._target.Write(c, row, rows, p._columns);
        }
    }

    /// <summary>Some rows of patches times one block of the weights.</summary>
    private readonly void MultiplyGroup<TTile, TSimd, TVector>(int row, int rows, int block, float* patch, long stride, float beta, float* c, long ldc)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int column = block * _depth;
        int steps = Math.Min(_depth, _grid.Columns - column);
        _grid.Write<TSimd, TVector>(row, rows, column, steps, patch, stride);
        for (int panel = 0; panel < _panels; panel++)
        {
            int first = panel * _width;
            int columns = Math.Min(_width, _columns - first);
            GemmBlock<TTile>.MultiplyRows(
                Math.Max(rows, TTile.Rows / 2), columns, steps, 1, patch, stride, Panel<TTile>(block, panel), beta, c + first, ldc);
        }
    }

    private readonly float* Panel<TTile>(int block, int panel)
        where TTile : struct, IGemmTile => _packed + (((long)block * _panels) + panel) * _depth * TTile.Columns;
}

/// <summary>Where the rows of a <see cref="PatchProduct"/> go: every row of a matrix, or those of every step-th pixel.</summary>
internal readonly unsafe struct PatchTarget
{
    private readonly float* _data;

    public PatchTarget(MatrixView<float> matrix, float beta)
    {
        _data = matrix.Pointer;
        Stride = matrix.RowStride;
        Beta = beta;
        Step = 1;
    }

    public long Stride { get; }

    public float Beta { get; }

    /// <summary>Pixels from a row to the next, along both axes.</summary>
    public int Step { get; init; }

    /// <summary>Where the first row lies in an image.</summary>
    public (int Y, int X) First { get; init; }

    /// <summary>Size of the images; not used where all rows follow each other.</summary>
    public (int Height, int Width) Image { get; init; }

    /// <summary>Size of the grid in an image.</summary>
    public (int Height, int Width) Grid { get; init; }

    public bool IsDense => Step == 1;

    public float* Row(int row) => _data + (Pixel(row) * Stride);

    /// <summary>Brings computed rows, which lie without gaps, to their places.</summary>
    public void Write(float* values, int row, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
        {
            var source = new ReadOnlySpan<float>(values + ((long)i * columns), columns);
            var target = new Span<float>(Row(row + i), columns);
            if (Beta == 0)
            {
                source.CopyTo(target);
                continue;
            }

            for (int j = 0; j < columns; j++)
            {
                target[j] = source[j] + (Beta * target[j]);
            }
        }
    }

    /// <summary><c>row ← β·row</c> for all rows, where nothing is added.</summary>
    public void Scale(int rows, int columns)
    {
        for (int row = 0; row < rows; row++)
        {
            GemmCore.Scale(1, columns, Beta, Row(row), Stride);
        }
    }

    private long Pixel(int row)
    {
        if (IsDense)
        {
            return row;
        }

        int x = row % Grid.Width;
        int y = row / Grid.Width % Grid.Height;
        long image = row / Grid.Width / Grid.Height;
        return (((image * Image.Height) + First.Y + (y * Step)) * Image.Width) + First.X + (x * Step);
    }
}
