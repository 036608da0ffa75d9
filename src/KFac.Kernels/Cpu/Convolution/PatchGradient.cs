using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The gradient of a convolution's weights, <c>∂W ← Σ ∂y·x̃ᵀ + β·∂W</c>: output gradients times patches.</summary>
/// <remarks>A task takes some columns of the patches, and where there are few of them a part of the rows: it writes rows of patches into
/// the second-level cache, <see cref="RowsPerBlock"/> at a time, and adds their product with the output gradients. Only those are packed: the
/// register tiles read the patches where they lie. Parts are cut by shape and added in order while the columns are brought into the
/// order of the weights, so no bit depends on threads.</remarks>
internal unsafe struct PatchGradient
{
    /// <summary>Columns of patches a task, at most.</summary>
    private const int MostColumns = 192;

    /// <summary>Rows of patches that are accumulated in registers before the sums are updated.</summary>
    private const int RowsPerBlock = 256;

    /// <summary>Tasks at least, so that threads get equal shares.</summary>
    private const int LeastTasks = 12;

    /// <summary>Rows below which a part is not worth its sum.</summary>
    private const int LeastRows = 1024;

    private readonly CpuDevice _device;
    private readonly PatchGrid _grid;
    private readonly ConvolutionArguments _arguments;
    private readonly int _rows;
    private readonly int _columnsPerTask;
    private readonly int _columnTasks;
    private readonly int _parts;
    private GradientSums _sums;

    public PatchGradient(CpuDevice device, in PatchGrid grid, in ConvolutionArguments arguments)
    {
        _device = device;
        _grid = grid;
        _arguments = arguments;
        _rows = arguments.Y.Rows;
        _columnsPerTask = GemmCore.EvenPart(grid.Columns, MostColumns, GemmCore.WidestPanel);
        _columnTasks = (grid.Columns + _columnsPerTask - 1) / _columnsPerTask;
        int parts = (LeastTasks + _columnTasks - 1) / _columnTasks;
        _parts = Math.Clamp(_rows / LeastRows, 1, parts);
    }

    private readonly int Outputs => _arguments.Y.Columns;

    public void Run()
    {
        using ScratchLease lease = _device.Scratch.Rent(GradientSums.Bytes(_grid, Outputs, _parts));
        _sums = new GradientSums(_device, _grid, _arguments, _parts, lease.As<float>());
        _device.Workers.Run(_columnTasks * _parts, &Multiply, Unsafe.AsPointer(ref this));
        _sums.Write();
    }

    private static void Multiply(void* context, int task)
    {
        ref PatchGradient p = ref Unsafe.AsRef<PatchGradient>(context);
        switch (p._device.Vectors)
        {
            case VectorWidth.Avx512:
                p.Multiply<GemmTile512, Simd512, Vector512<float>>(task);
                break;
            case VectorWidth.Avx2:
                p.Multiply<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>(task);
                break;
            default:
                p.Multiply<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>(task);
                break;
        }
    }

    private readonly void Multiply<TTile, TSimd, TVector>(int task)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        (int part, int column) = (task / _columnTasks, task % _columnTasks * _columnsPerTask);
        int columns = Math.Min(_columnsPerTask, _grid.Columns - column);
        int first = (int)((long)_rows * part / _parts);
        int end = (int)((long)_rows * (part + 1) / _parts);
        float* sums = _sums.Of(part, 0) + column;
        long patches = (long)RowsPerBlock * _columnsPerTask;
        long gradients = (long)RowsPerBlock * ((Outputs + TTile.Columns - 1) / TTile.Columns * TTile.Columns);
        using ScratchLease lease = _device.Scratch.Rent((patches + gradients) * sizeof(float));
        float* patch = lease.As<float>();
        if (first == end)
        {
            GemmCore.Scale(Outputs, columns, 0, sums, _grid.Columns);
        }

        for (int row = first; row < end; row += RowsPerBlock)
        {
            int rows = Math.Min(RowsPerBlock, end - row);
            _grid.Write<TSimd, TVector>(row, rows, column, columns, patch, _columnsPerTask);
            var source = new StridedMatrix(_arguments.Y.Pointer + ((long)row * _arguments.Y.RowStride), _arguments.Y.RowStride, 1);
            GemmBlock<TTile>.Pack(patch + patches, Outputs, rows, source);
            MultiplyBlock<TTile>(rows, columns, patch + patches, patch, row == first ? 0 : 1, sums);
        }
    }

    /// <summary>Packed output gradients times rows of patches, panel by panel of their columns.</summary>
    [SkipLocalsInit]
    private readonly void MultiplyBlock<TTile>(int steps, int columns, float* gradients, float* patch, float beta, float* sums)
        where TTile : struct, IGemmTile
    {
        float* edge = stackalloc float[TTile.Rows * TTile.Columns];
        int vector = TTile.Columns / 3;
        for (int column = 0; column < columns; column += TTile.Columns)
        {
            int width = Math.Min(TTile.Columns, columns - column);
            int vectors = (width + vector - 1) / vector;
            for (int output = 0; output < Outputs; output += TTile.Rows)
            {
                int rows = Math.Min(TTile.Rows, Outputs - output);
                float* tile = gradients + ((long)(output / TTile.Columns) * TTile.Columns * steps) + (output % TTile.Columns);
                float* target = sums + ((long)output * _grid.Columns) + column;
                if (rows == TTile.Rows && width == vectors * vector)
                {
                    TTile.MultiplyPart(rows, vectors, steps, tile, TTile.Columns, patch + column, _columnsPerTask, 1, beta, target, _grid.Columns);
                    continue;
                }

                TTile.MultiplyPart(TTile.Rows, vectors, steps, tile, TTile.Columns, patch + column, _columnsPerTask, 1, 0, edge, TTile.Columns);
                TTile.Write(edge, rows, width, new TileTarget(1, beta, target, _grid.Columns));
            }
        }
    }
}
