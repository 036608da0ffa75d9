using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="DampedInverse"/> on the GPU: damped_inverse.cu. All matrices take a step of the sweep together.</summary>
/// <remarks>Items are sorted by size and taken in groups of at most <see cref="InverseItems.Length"/>, which is what one
/// kernel's arguments hold. A group takes three launches for every 64 rows of its largest matrix.</remarks>
internal sealed unsafe class CudaDampedInverse(CudaStream stream) : IDampedInverseKernel
{
    private const string Module = "damped_inverse";
    private const int Tile = 64;
    private const int Threads = 256;
    private const int CheckThreads = 32;

    private static readonly StepKernels s_float = new("inverse", "float");
    private static readonly StepKernels s_double = new("inverse", "double");

    public void Run(ReadOnlySpan<DampedInverseItem> items, VectorView<int> status, InversePrecision precision)
    {
        Span<int> order = items.Length <= LargestFirst.OnStack ? stackalloc int[items.Length] : new int[items.Length];
        LargestFirst.Sort(items, static item => item.Matrix.Rows, order);
        for (int first = 0; first < order.Length; first += InverseItems.Length)
        {
            RunGroup(items, order[first..Math.Min(first + InverseItems.Length, order.Length)], status, precision);
        }
    }

    private void RunGroup(ReadOnlySpan<DampedInverseItem> items, ReadOnlySpan<int> group, VectorView<int> status, InversePrecision precision)
    {
        bool isDouble = precision == InversePrecision.Double;
        using CudaScratch.Scope scope = stream.Scratch.Open();
        DampedInverseArguments arguments = default;
        for (int i = 0; i < group.Length; i++)
        {
            DampedInverseItem item = items[group[i]];
            long size = (long)LaunchShape.Cover(item.Matrix.Rows, Tile) * Tile;
            nint work = scope.Take(size * (size + (2 * Tile)) * (isDouble ? sizeof(double) : sizeof(float)));
            arguments.Items[i] = new InverseItem(item, work, (nint)(status.Pointer + group[i]));
        }

        Sweep(arguments, group.Length, LaunchShape.Cover(items[group[0]].Matrix.Rows, Tile), isDouble ? s_double : s_float);
    }

    private void Sweep(DampedInverseArguments arguments, int items, int tiles, StepKernels names)
    {
        var perItem = LaunchShape.Row(items, Threads);
        var perPanel = new LaunchShape(Math.Max(1, tiles), items, 1, Threads);
        var perTile = new LaunchShape(Math.Max(1, tiles * (tiles + 1) / 2), items, 1, Threads);
        stream.Queue.Launch(Module, names.Load, perTile, arguments);
        for (arguments.Step = 0; arguments.Step < tiles; arguments.Step++)
        {
            stream.Queue.Launch(Module, names.Pivot, perItem, arguments);
            if (tiles > 1)
            {
                stream.Queue.Launch(Module, names.Panel, perPanel, arguments);
                stream.Queue.Launch(Module, names.Update, perTile, arguments);
            }
        }

        stream.Queue.Launch(Module, names.Store, perTile, arguments);
        stream.Queue.Launch(Module, "inverse_check", LaunchShape.Row(items, CheckThreads), arguments);
    }
}

/// <summary>Mirrors <c>InverseItem</c> of damped_inverse.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct InverseItem(DampedInverseItem item, nint work, nint status)
{
    public readonly nint Matrix = (nint)item.Matrix.Pointer;
    public readonly nint Inverse = (nint)item.Inverse.Pointer;
    public readonly nint Work = work;
    public readonly nint Status = status;
    public readonly long MatrixStride = item.Matrix.RowStride;
    public readonly long InverseStride = item.Inverse.RowStride;
    public readonly int Size = item.Matrix.Rows;
    public readonly float Damping = item.Damping;
}

/// <summary>The items of one group.</summary>
[InlineArray(Length)]
internal struct InverseItems
{
    public const int Length = 32;

    private InverseItem _first;
}

/// <summary>Mirrors <c>DampedInverseArguments</c> of damped_inverse.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DampedInverseArguments
{
    public InverseItems Items;
    public int Step;
    private readonly int _padding;
}
