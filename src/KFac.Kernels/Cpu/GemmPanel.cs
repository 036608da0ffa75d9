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
            Transpose(panel, k, columns, source);
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
        for (int p = 0; p < k; p++)
        {
            new ReadOnlySpan<float>(source, columns).CopyTo(new Span<float>(panel, columns));
            new Span<float>(panel + columns, Width - columns).Clear();
            panel += Width;
            source += stride;
        }
    }

    private static void Transpose(float* panel, int k, int columns, StridedMatrix source)
    {
        int quads = source.RowStride == 1 ? k & ~3 : 0;
        for (int j = 0; j < Width; j += TSimd.Count)
        {
            int present = Math.Clamp(columns - j, 0, TSimd.Count);
            int vectorised = present == TSimd.Count ? quads : 0;
            TransposeVectors(panel + j, vectorised, source.From(0, j));
            TransposeElements(panel + j, vectorised, k, present, source.From(0, j));
        }
    }

    /// <summary>Four steps of k of one vector's columns at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeVectors(float* panel, int k, StridedMatrix source)
    {
        float* data = (float*)source.Data;
        long stride = source.ColumnStride;
        for (int p = 0; p < k; p += 4)
        {
            TVector step0 = TSimd.LoadQuads(data, 4 * stride);
            TVector step1 = TSimd.LoadQuads(data + stride, 4 * stride);
            TVector step2 = TSimd.LoadQuads(data + (2 * stride), 4 * stride);
            TVector step3 = TSimd.LoadQuads(data + (3 * stride), 4 * stride);
            TSimd.TransposeQuads(ref step0, ref step1, ref step2, ref step3);
            TSimd.Store(step0, panel);
            TSimd.Store(step1, panel + Width);
            TSimd.Store(step2, panel + (2 * Width));
            TSimd.Store(step3, panel + (3 * Width));
            panel += 4 * Width;
            data += 4;
        }
    }

    private static void TransposeElements(float* panel, int firstStep, int k, int columns, StridedMatrix source)
    {
        for (int p = firstStep; p < k; p++)
        {
            for (int j = 0; j < TSimd.Count; j++)
            {
                panel[((long)p * Width) + j] = j < columns ? *source.At(p, j) : 0;
            }
        }
    }
}
