using System.Runtime.CompilerServices;

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

/// <summary>Copies blocks of a matrix into panels that are three vectors wide, as register tiles read them.</summary>
/// <remarks>A step of k is <see cref="Width"/> adjacent elements; those beyond the block's columns are 0.</remarks>
internal static unsafe class GemmPanel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Width => 3 * TSimd.Count;

    /// <summary><c>panel[p·Width + j] ← source(p, j)</c> for p &lt; k, j &lt; columns, and 0 for columns ≤ j &lt; Width.</summary>
    public static void Pack(float* panel, int k, int columns, StridedMatrix source)
    {
        if (source.ColumnStride != 1)
        {
            if (columns < Width)
            {
                new Span<float>(panel, k * Width).Clear();
            }

            PanelTranspose<TSimd, TVector>.Run(panel, Width, k, columns, source);
        }
        else if (columns == Width)
        {
            CopyFullRows(panel, k, (float*)source.Data, source.RowStride);
        }
        else
        {
            CopyRows(panel, k, columns, (float*)source.Data, source.RowStride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void CopyFullRows(float* panel, int k, float* source, long stride)
    {
        for (int p = 0; p < k; p++)
        {
            TSimd.Store(TSimd.Load(source), panel);
            TSimd.Store(TSimd.Load(source + TSimd.Count), panel + TSimd.Count);
            TSimd.Store(TSimd.Load(source + (2 * TSimd.Count)), panel + (2 * TSimd.Count));
            panel += Width;
            source += stride;
        }
    }

    private static void CopyRows(float* panel, int k, int columns, float* source, long stride)
    {
        int vectorised = columns - (columns % TSimd.Count);
        for (int p = 0; p < k; p++)
        {
            int j = 0;
            for (; j < vectorised; j += TSimd.Count)
            {
                TSimd.Store(TSimd.Load(source + j), panel + j);
            }

            if (j < columns)
            {
                TSimd.Store(TSimd.LoadPartial(source + j, columns - j), panel + j);
                j += TSimd.Count;
            }

            for (; j < Width; j += TSimd.Count)
            {
                TSimd.Store(TSimd.Zero, panel + j);
            }

            panel += Width;
            source += stride;
        }
    }
}
