using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
/// <remarks>A step of k is <see cref="Width"/> adjacent elements; those beyond the block's columns are 0 in the last vector that has
/// any, and are not written in vectors that have none.</remarks>
internal static unsafe class GemmPanel<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int Quad = 4;

    public static int Width => 3 * TSimd.Count;

    /// <summary><c>panel[p·Width + j] ← source(p, j)</c> for p &lt; k, j &lt; columns, and 0 for columns ≤ j up to the vector's end.</summary>
    public static void Pack(float* panel, int k, int columns, StridedMatrix source)
    {
        if (source.ColumnStride != 1)
        {
            int quads = columns & ~3;
            PanelTranspose<TSimd, TVector>.Run(panel, Width, k, quads, source);
            if (columns % TSimd.Count != 0)
            {
                PackLastQuads(panel + quads, k, columns - quads, (TSimd.Count - (quads % TSimd.Count)) / Quad, source.From(0, quads));
            }
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

    /// <summary>Up to three columns that are contiguous, and zeros beside them to the end of so many groups of four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void PackLastQuads(float* panel, int k, int columns, int groups, StridedMatrix source)
    {
        Vector128<float> zero = Vector128<float>.Zero;
        float* data = (float*)source.Data;
        long stride = source.ColumnStride;
        int p = 0;
        for (; p + Quad <= k; p += Quad)
        {
            Vector128<float> step0 = columns > 0 ? Vector128.Load(data + p) : zero;
            Vector128<float> step1 = columns > 1 ? Vector128.Load(data + stride + p) : zero;
            Vector128<float> step2 = columns > 2 ? Vector128.Load(data + (2 * stride) + p) : zero;
            Vector128<float> step3 = zero;
            Simd128.TransposeQuads(ref step0, ref step1, ref step2, ref step3);
            StoreQuads(step0, panel, groups);
            StoreQuads(step1, panel + Width, groups);
            StoreQuads(step2, panel + (2 * Width), groups);
            StoreQuads(step3, panel + (3 * Width), groups);
            panel += Quad * Width;
        }

        for (; p < k; p++)
        {
            StoreQuads(zero, panel, groups);
            for (int j = 0; j < columns; j++)
            {
                panel[j] = data[(j * stride) + p];
            }

            panel += Width;
        }
    }

    /// <summary>Four elements, then zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuads(Vector128<float> first, float* panel, int groups)
    {
        first.Store(panel);
        for (int group = 1; group < groups; group++)
        {
            Vector128<float>.Zero.Store(panel + (group * Quad));
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
            }

            panel += Width;
            source += stride;
        }
    }
}
