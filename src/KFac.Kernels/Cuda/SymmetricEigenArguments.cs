using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>What of an item depends on its place in a group.</summary>
internal readonly record struct SymmetricEigenTarget(nint Status, nint Outcome, nint State, int Width, int FirstPair, int FirstTile);

/// <summary>Mirrors <c>SymmetricEigenItem</c> of symmetric_eigen.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct SymmetricEigenKernelItem
{
    private const int Strip = 32;

    public readonly nint Matrix;
    public readonly nint Previous;
    public readonly nint Values;
    public readonly nint Vectors;
    public readonly nint Status;
    public readonly nint Outcome;
    public readonly nint A;
    public readonly nint V;
    public readonly nint Rotations;
    public readonly nint Trial;
    public readonly nint Gram;
    public readonly nint Sums;
    public readonly nint Order;
    public readonly nint Turned;
    public readonly nint State;
    public readonly long MatrixStride;
    public readonly long PreviousStride;
    public readonly long VectorsStride;
    public readonly int Size;
    public readonly int Pairs;
    public readonly int FirstPair;
    public readonly int FirstTile;

    /// <param name="scope">Gives the working memory.</param>
    /// <param name="warm">Whether a previous basis is looked at.</param>
    /// <param name="polish">Whether the vectors are made more orthogonal at the end.</param>
    public SymmetricEigenKernelItem(CudaScratch.Scope scope, SymmetricEigenItem item, SymmetricEigenTarget target, bool warm, bool polish)
    {
        (Status, Outcome, State, FirstPair, FirstTile) = (target.Status, target.Outcome, target.State, target.FirstPair, target.FirstTile);
        (Matrix, MatrixStride) = ((nint)item.Matrix.Pointer, item.Matrix.RowStride);
        (Vectors, VectorsStride) = ((nint)item.Vectors.Pointer, item.Vectors.RowStride);
        Values = (nint)item.Values.Pointer;
        Size = item.Matrix.Rows;
        Pairs = Math.Max(1, LaunchShape.Cover(Size, target.Width));
        long padded = (long)Pairs * target.Width;
        A = scope.Take(padded * padded * sizeof(float));
        V = scope.Take(padded * padded * sizeof(float));
        Rotations = scope.Take(padded * target.Width * sizeof(float));
        Sums = scope.Take(4 * (padded / Strip) * sizeof(double));
        Order = scope.Take(Size * sizeof(int));
        Turned = scope.Take(Pairs * sizeof(int));
        bool hasPrevious = warm && !item.Previous.IsEmpty;
        if (hasPrevious)
        {
            (Previous, PreviousStride) = ((nint)item.Previous.Pointer, item.Previous.RowStride);
        }

        if (hasPrevious || polish)
        {
            Trial = scope.Take(padded * padded * sizeof(float));
            Gram = scope.Take(padded * padded * sizeof(float));
        }
    }

    /// <summary>Tiles of V and of one triangle of A without its diagonal.</summary>
    public int Tiles => checked((Pairs * Pairs) + (Pairs * (Pairs - 1) / 2));
}

/// <summary>The items of one group.</summary>
[InlineArray(Length)]
internal struct SymmetricEigenItems
{
    public const int Length = 24;

    private SymmetricEigenKernelItem _first;
}

/// <summary>Mirrors <c>SymmetricEigenArguments</c> of symmetric_eigen.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SymmetricEigenArguments
{
    public SymmetricEigenItems Items;
    public int Count;
    public int Width;
    public int Step;
    public int Sweeps;
    public int Tiles;
    public int Polish;
    public double Tolerance;
    public double KeepBelow;
}
