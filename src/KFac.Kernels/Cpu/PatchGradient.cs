using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The gradient of a convolution's weights, <c>∂W ← Σ ∂y·x̃ᵀ + β·∂W</c>: output gradients times patches.</summary>
/// <remarks>A task takes some columns of the patches, and where there are few of them a part of the rows: it writes rows of patches into
/// the second-level cache, <see cref="GemmCore.DepthBlock"/> at a time, and adds their product with the output gradients. Parts are
/// cut by shape and added in order while the columns are brought into the order of the weights, so no bit depends on threads.</remarks>
internal unsafe struct PatchGradient
{
    /// <summary>Columns of patches a task, at most.</summary>
    private const int MostColumns = 192;

    /// <summary>Tasks at least, so that threads get equal shares.</summary>
    private const int LeastTasks = 12;

    /// <summary>Rows below which a part is not worth its sum.</summary>
    private const int LeastRows = 1024;

    private readonly CpuDevice _device;
    private readonly PatchGrid _grid;
    private readonly ConvolutionArguments _arguments;
    private readonly ConvolutionWeights _result;
    private readonly int _rows;
    private readonly int _columnsPerTask;
    private readonly int _columnTasks;
    private readonly int _parts;
    private float* _sums;

    public PatchGradient(CpuDevice device, in PatchGrid grid, in ConvolutionArguments arguments)
    {
        _device = device;
        _grid = grid;
        _arguments = arguments;
        _result = new ConvolutionWeights(arguments, isAdjoint: false);
        _rows = arguments.Y.Rows;
        _columnsPerTask = GemmCore.EvenPart(grid.Columns, MostColumns, GemmCore.WidestPanel);
        _columnTasks = (grid.Columns + _columnsPerTask - 1) / _columnsPerTask;
        int parts = (LeastTasks + _columnTasks - 1) / _columnTasks;
        _parts = Math.Clamp(_rows / LeastRows, 1, parts);
    }

    private readonly int Outputs => _arguments.Y.Columns;

    public void Run()
    {
        if (Outputs == 0)
        {
            return;
        }

        using ScratchLease sums = _device.Scratch.Rent((long)_parts * Outputs * _grid.Columns * sizeof(float));
        _sums = sums.As<float>();
        void* context = Unsafe.AsPointer(ref this);
        _device.Workers.Run(_columnTasks * _parts, &Multiply, context);
        _device.Workers.Run(Outputs, &Write, context);
    }

    private static void Multiply(void* context, int task)
    {
        ref PatchGradient p = ref Unsafe.AsRef<PatchGradient>(context);
        switch (p._device.Vectors)
        {
            case VectorWidth.Avx512:
                p.Multiply<Simd512, Vector512<float>>(task);
                break;
            case VectorWidth.Avx2:
                p.Multiply<Simd256, Vector256<float>>(task);
                break;
            default:
                p.Multiply<Simd128, Vector128<float>>(task);
                break;
        }
    }

    private readonly void Multiply<TSimd, TVector>(int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        (int part, int column) = (task / _columnTasks, task % _columnTasks * _columnsPerTask);
        int columns = Math.Min(_columnsPerTask, _grid.Columns - column);
        int first = (int)((long)_rows * part / _parts);
        int end = (int)((long)_rows * (part + 1) / _parts);
        float* sums = _sums + ((long)part * Outputs * _grid.Columns) + column;
        long patches = (long)GemmCore.DepthBlock * _columnsPerTask * sizeof(float);
        using ScratchLease lease = _device.Scratch.Rent(GemmCore.ScratchBytes + patches);
        float* patch = (float*)(lease.As<byte>() + GemmCore.ScratchBytes);
        GemmCore.Scale(Outputs, columns, 0, sums, _grid.Columns);
        for (int row = first; row < end; row += GemmCore.DepthBlock)
        {
            int rows = Math.Min(GemmCore.DepthBlock, end - row);
            _grid.Write<TSimd, TVector>(row, rows, column, columns, patch, _columnsPerTask);
            var gradients = new StridedMatrix(_arguments.Y.Pointer + ((long)row * _arguments.Y.RowStride), _arguments.Y.RowStride, 1);
            GemmCore.Multiply(
                _device.Vectors,
                lease.As<byte>(),
                Outputs,
                columns,
                rows,
                1,
                gradients.Transposed,
                new StridedMatrix(patch, _columnsPerTask, 1),
                row == first ? 0 : 1,
                sums,
                _grid.Columns);
        }
    }

    /// <summary>Adds the parts of one output channel, in the order of the weights.</summary>
    private static void Write(void* context, int output)
    {
        ref PatchGradient p = ref Unsafe.AsRef<PatchGradient>(context);
        float beta = p._arguments.Beta;
        float* target = p._arguments.Weights.Pointer + ((long)output * p._arguments.Weights.RowStride);
        int channels = p._grid.Channels;
        for (int tap = 0; tap < p._result.KernelElements; tap++)
        {
            for (int channel = 0; channel < channels; channel++)
            {
                float sum = p.Sum(output, (tap * channels) + channel);
                float* element = target + (channel * p._result.KernelElements) + tap;
                *element = beta == 0 ? sum : sum + (beta * *element);
            }
        }

        if (p._grid.HasOnes)
        {
            float sum = p.Sum(output, p._grid.Pixels);
            target[p._grid.Pixels] = beta == 0 ? sum : sum + (beta * target[p._grid.Pixels]);
        }
    }

    private readonly float Sum(int output, int column)
    {
        float* sums = _sums + ((long)output * _grid.Columns) + column;
        float sum = *sums;
        for (int part = 1; part < _parts; part++)
        {
            sums += (long)Outputs * _grid.Columns;
            sum += *sums;
        }

        return sum;
    }
}
