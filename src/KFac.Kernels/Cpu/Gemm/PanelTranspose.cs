using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Copies a matrix whose columns are contiguous to one whose rows are, through registers.</summary>
internal static unsafe class PanelTranspose<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary><c>rows[p·stride + j] ← source(p, j)</c> for p &lt; steps, j &lt; columns.</summary>
    public static void Run(float* rows, long stride, int steps, int columns, StridedMatrix source)
    {
        int quads = source.RowStride == 1 ? steps & ~3 : 0;
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            CopyQuads<TSimd, TVector>(rows + j, stride, quads, source.From(0, j));
        }

        for (; j + Simd128.Count <= columns; j += Simd128.Count)
        {
            CopyQuads<Simd128, Vector128<float>>(rows + j, stride, quads, source.From(0, j));
        }

        CopyElements(rows, stride, 0, quads, j, columns, source);
        CopyElements(rows, stride, quads, steps, 0, columns, source);
    }

    /// <summary>One vector's columns, four steps at a time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void CopyQuads<TQuads, TQuadsVector>(float* rows, long stride, int steps, StridedMatrix source)
        where TQuads : struct, ISimd<TQuadsVector>
        where TQuadsVector : unmanaged
    {
        float* data = (float*)source.Data;
        long column = source.ColumnStride;
        for (int p = 0; p < steps; p += 4)
        {
            TQuadsVector step0 = TQuads.LoadQuads(data, 4 * column);
            TQuadsVector step1 = TQuads.LoadQuads(data + column, 4 * column);
            TQuadsVector step2 = TQuads.LoadQuads(data + (2 * column), 4 * column);
            TQuadsVector step3 = TQuads.LoadQuads(data + (3 * column), 4 * column);
            TQuads.TransposeQuads(ref step0, ref step1, ref step2, ref step3);
            TQuads.Store(step0, rows);
            TQuads.Store(step1, rows + stride);
            TQuads.Store(step2, rows + (2 * stride));
            TQuads.Store(step3, rows + (3 * stride));
            rows += 4 * stride;
            data += 4;
        }
    }

    private static void CopyElements(
        float* rows, long stride, int firstStep, int endStep, int firstColumn, int endColumn, StridedMatrix source)
    {
        for (int j = firstColumn; j < endColumn; j++)
        {
            for (int p = firstStep; p < endStep; p++)
            {
                rows[(p * stride) + j] = *source.At(p, j);
            }
        }
    }
}
