namespace KFac.Kernels.Cpu;

/// <summary>A matrix with any distance between rows and between columns; one of the two is 1.</summary>
/// <param name="Data">Element (0, 0).</param>
/// <param name="RowStride">Elements from a row to the next.</param>
/// <param name="ColumnStride">Elements from a column to the next.</param>
internal readonly unsafe record struct StridedMatrix(nint Data, long RowStride, long ColumnStride)
{
    public StridedMatrix(float* data, long rowStride, long columnStride)
        : this((nint)data, rowStride, columnStride)
    {
    }

    public StridedMatrix Transposed => new(Data, ColumnStride, RowStride);

    /// <summary>The matrix from element (row, column) on.</summary>
    public StridedMatrix From(long row, long column) => this with { Data = (nint)At(row, column) };

    public float* At(long row, long column) => (float*)Data + (row * RowStride) + (column * ColumnStride);
}

/// <summary>Copies blocks of a matrix into panels: a step of k is <c>width</c> adjacent elements, missing ones are 0.</summary>
internal static unsafe class GemmPanel
{
    /// <summary><c>panel[p·width + j] ← source(p, j)</c> for p &lt; k, j &lt; columns, and 0 for columns ≤ j &lt; width.</summary>
    public static void Pack(float* panel, int width, int k, int columns, StridedMatrix source)
    {
        if (source.ColumnStride == 1)
        {
            CopyRows(panel, width, k, columns, (float*)source.Data, source.RowStride);
        }
        else
        {
            Transpose(panel, width, k, columns, source);
        }
    }

    private static void CopyRows(float* panel, int width, int k, int columns, float* source, long stride)
    {
        for (int p = 0; p < k; p++)
        {
            new ReadOnlySpan<float>(source, columns).CopyTo(new Span<float>(panel, columns));
            new Span<float>(panel + columns, width - columns).Clear();
            panel += width;
            source += stride;
        }
    }

    private static void Transpose(float* panel, int width, int k, int columns, StridedMatrix source)
    {
        for (int j = 0; j < width; j++)
        {
            for (int p = 0; p < k; p++)
            {
                panel[((long)p * width) + j] = j < columns ? *source.At(p, j) : 0;
            }
        }
    }
}
