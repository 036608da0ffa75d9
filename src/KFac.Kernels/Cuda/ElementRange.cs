using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>How kernels that visit each element of a matrix once cut it: element_grid.cuh, which mirrors it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ElementRange
{
    /// <summary>Rows that a thread block visits; 1 where the rows of all operands follow each other without gaps.</summary>
    public readonly int Rows;

    public readonly int Columns;

    /// <summary>Elements that a thread takes at once: 4 where all operands allow accesses of 16 bytes.</summary>
    public readonly int Pack;

    /// <summary>Threads of a block.</summary>
    private const int Threads = 256;

    private const int MostBlocks = 1 << 14;
    private const int PackElements = 4;
    private const int PackBytes = PackElements * sizeof(float);

    private ElementRange(int rows, int columns, bool packed)
    {
        Rows = rows;
        Columns = columns;
        Pack = packed ? PackElements : 1;
    }

    /// <summary>The grid: at most what keeps any GPU busy, so threads may take several packs.</summary>
    public LaunchShape Shape =>
        LaunchShape.Row(Math.Min(LaunchShape.Cover((long)Rows * LaunchShape.Cover(Columns, Pack), Threads), MostBlocks), Threads);

    /// <summary>The same, each element by itself.</summary>
    public ElementRange InOnes => new(Rows, Columns, packed: false);

    /// <summary>For operands of one shape that are visited alike.</summary>
    public static ElementRange Of(params ReadOnlySpan<MatrixView<float>> operands)
    {
        bool contiguous = true;
        foreach (MatrixView<float> operand in operands)
        {
            contiguous &= operand.IsContiguous;
        }

        MatrixView<float> first = operands[0];
        return contiguous
            ? new ElementRange(1, first.Rows * first.Columns, StartAligned(operands))
            : ByRows(first.Rows, operands);
    }

    /// <summary>For a kernel that wants to know the row: operands with as many columns as each other, their rows kept apart.</summary>
    public static ElementRange ByRows(int rows, params ReadOnlySpan<MatrixView<float>> operands)
    {
        bool packed = StartAligned(operands);
        foreach (MatrixView<float> operand in operands)
        {
            packed &= operand.Rows <= 1 || operand.RowStride % PackElements == 0;
        }

        return new ElementRange(rows, operands[0].Columns, packed);
    }

    private static unsafe bool StartAligned(ReadOnlySpan<MatrixView<float>> operands)
    {
        bool aligned = true;
        foreach (MatrixView<float> operand in operands)
        {
            aligned &= (nint)operand.Pointer % PackBytes == 0;
        }

        return aligned;
    }
}
