namespace KFac.Kernels.Cpu;

/// <summary>Magnitude of the matrix of an eigenproblem, of which the lower triangle is read.</summary>
internal static unsafe class LowerTriangle<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Of rows <paramref name="first"/> to <paramref name="end"/>; not finite when any element is not.</summary>
    public static float LargestMagnitude(in EigenTask task, int first, int end)
    {
        TVector largest = TSimd.Zero;
        float rest = 0;
        for (int i = first; i < end; i++)
        {
            float* row = task.Matrix + (i * task.MatrixStride);
            int j = 0;
            for (; j + TSimd.Count <= i + 1; j += TSimd.Count)
            {
                largest = TSimd.Max(largest, TSimd.Abs(TSimd.Load(row + j)));
            }

            for (; j <= i; j++)
            {
                rest = MathF.Max(rest, MathF.Abs(row[j]));
            }
        }

        float* lanes = stackalloc float[TSimd.Count];
        TSimd.Store(largest, lanes);
        for (int lane = 0; lane < TSimd.Count; lane++)
        {
            rest = MathF.Max(rest, lanes[lane]);
        }

        return rest;
    }

    /// <summary>The power of two that brings elements to order 1, so that squares neither overflow nor lose digits.</summary>
    public static double Scale(float largest) => largest == 0 ? 1 : Math.ScaleB(1, -Math.ILogB(largest));

    /// <summary><c>target ← scale·source</c>.</summary>
    public static void CopyScaled(float* source, int count, float scale, float* target)
    {
        TVector factor = TSimd.Create(scale);
        int j = 0;
        for (; j + TSimd.Count <= count; j += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(factor, TSimd.Load(source + j)), target + j);
        }

        for (; j < count; j++)
        {
            target[j] = scale * source[j];
        }
    }
}
