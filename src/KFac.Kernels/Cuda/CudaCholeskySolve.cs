using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="CholeskySolve"/> on the GPU: cholesky_factor.cu, where all matrices take a step of 48 columns together, and
/// cholesky_solve.cu, one launch for each product.</summary>
/// <remarks>Items are sorted by size and taken in groups of at most <see cref="CholeskyFactorItems.Length"/>, which is what one kernel's
/// arguments hold. A group takes three launches for every 48 rows of its largest matrix.</remarks>
internal sealed unsafe class CudaCholeskySolve(CudaStream stream) : ICholeskySolveKernel
{
    private const string FactorModule = "cholesky_factor";
    private const string SolveModule = "cholesky_solve";
    private const int FactorThreads = 256;
    private const int SolveVectors = 16;
    private const int SolveThreads = 192;

    private static readonly StepKernels s_float = new("factor", "float");
    private static readonly StepKernels s_double = new("factor", "double");

    public bool PaysForFewVectors => false;

    public void Factor(ReadOnlySpan<CholeskySolveItem> items, VectorView<int> status, InversePrecision precision)
    {
        Span<int> order = items.Length <= LargestFirst.OnStack ? stackalloc int[items.Length] : new int[items.Length];
        LargestFirst.Sort(items, static item => item.Matrix.Rows, order);
        for (int first = 0; first < order.Length; first += CholeskyFactorItems.Length)
        {
            FactorGroup(items, order[first..Math.Min(first + CholeskyFactorItems.Length, order.Length)], status, precision);
        }
    }

    public void Apply(ReadOnlySpan<CholeskySolveProduct> products)
    {
        foreach (ref readonly CholeskySolveProduct product in products)
        {
            if (!product.Result.IsEmpty)
            {
                var arguments = new CholeskySolveArguments(product.Side == MatrixSide.Left, product.Factor, product.Vectors, product.Result);
                LaunchShape shape = LaunchShape.Row(LaunchShape.Cover(arguments.Vectors, SolveVectors), SolveThreads);
                stream.Queue.Launch(SolveModule, "cholesky_solve", shape, arguments);
            }
        }
    }

    private static int Triangle(int blocks) => checked(blocks * (blocks + 1) / 2);

    private void FactorGroup(
        ReadOnlySpan<CholeskySolveItem> items, ReadOnlySpan<int> group, VectorView<int> status, InversePrecision precision)
    {
        bool isDouble = precision == InversePrecision.Double;
        using CudaScratch.Scope scope = stream.Scratch.Open();
        CholeskyFactorArguments arguments = default;
        for (int i = 0; i < group.Length; i++)
        {
            CholeskySolveItem item = items[group[i]];
            long size = (long)LaunchShape.Cover(item.Matrix.Rows, CholeskySolve.Block) * CholeskySolve.Block;
            nint work = scope.Take(size * size * (isDouble ? sizeof(double) : sizeof(float)));
            arguments.Items[i] = new CholeskyFactorItem(item, work, (nint)(status.Pointer + group[i]));
        }

        Sweep(arguments, group.Length, LaunchShape.Cover(items[group[0]].Matrix.Rows, CholeskySolve.Block), isDouble ? s_double : s_float);
    }

    private void Sweep(CholeskyFactorArguments arguments, int items, int blocks, StepKernels names)
    {
        var perTile = new LaunchShape(Math.Max(1, Triangle(blocks)), items, 1, FactorThreads);
        stream.Queue.Launch(FactorModule, names.Load, perTile, arguments);
        for (arguments.Step = 0; arguments.Step < blocks; arguments.Step++)
        {
            int behind = blocks - arguments.Step - 1;
            stream.Queue.Launch(FactorModule, names.Pivot, LaunchShape.Row(items, FactorThreads), arguments);
            if (behind > 0)
            {
                stream.Queue.Launch(FactorModule, names.Panel, new LaunchShape(behind, items, 1, FactorThreads), arguments);
                stream.Queue.Launch(FactorModule, names.Update, new LaunchShape(Triangle(behind), items, 1, FactorThreads), arguments);
            }
        }

        stream.Queue.Launch(FactorModule, names.Store, perTile, arguments);
    }
}

/// <summary>Mirrors <c>CholeskyFactorItem</c> of cholesky_factor.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct CholeskyFactorItem(CholeskySolveItem item, nint work, nint status)
{
    public readonly nint Matrix = (nint)item.Matrix.Pointer;
    public readonly nint Factor = (nint)item.Factor.Pointer;
    public readonly nint Work = work;
    public readonly nint Status = status;
    public readonly long MatrixStride = item.Matrix.RowStride;
    public readonly int Size = item.Matrix.Rows;
    public readonly float Damping = item.Damping;
}

/// <summary>The items of one group.</summary>
[InlineArray(Length)]
internal struct CholeskyFactorItems
{
    public const int Length = 32;

    private CholeskyFactorItem _first;
}

/// <summary>Mirrors <c>CholeskyFactorArguments</c> of cholesky_factor.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CholeskyFactorArguments
{
    public CholeskyFactorItems Items;
    public int Step;
    private readonly int _padding;
}

/// <summary>Mirrors <c>CholeskySolveArguments</c> of cholesky_solve.cu.</summary>
/// <param name="isLeft">Whether the vectors are columns.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct CholeskySolveArguments(bool isLeft, VectorView<float> factor, MatrixView<float> v, MatrixView<float> result)
{
    public readonly nint Factor = (nint)factor.Pointer;
    public readonly nint V = (nint)v.Pointer;
    public readonly nint Result = (nint)result.Pointer;
    public readonly long VStride = isLeft ? 1 : v.RowStride;
    public readonly long VStep = isLeft ? v.RowStride : 1;
    public readonly long ResultStride = isLeft ? 1 : result.RowStride;
    public readonly long ResultStep = isLeft ? result.RowStride : 1;
    public readonly int Size = isLeft ? v.Rows : v.Columns;
    public readonly int Vectors = isLeft ? v.Columns : v.Rows;
}
