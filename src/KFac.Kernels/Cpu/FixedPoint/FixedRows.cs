using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>Rows of a matrix as 16-bit integers, each in units of its own.</summary>
internal static unsafe class FixedRows
{
    private const int Lanes = 16;

    /// <summary>Pairs from a row to the next: whole vectors, and one more so that rows do not fall onto the same lines of the cache.</summary>
    public static int Stride(int columns) => ((columns + Lanes - 1) / Lanes * (Lanes / 2)) + Lanes;

    /// <summary>Converts one row.</summary>
    /// <param name="result"><see cref="Stride"/> pairs, padded by zeros as far as they are read.</param>
    /// <returns>What an integer stands for.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static float Convert(float* row, int columns, int* result)
    {
        float scale = Scale(row, columns);
        Vector512<float> factor = Vector512.Create(scale);
        short* target = (short*)result;
        for (int j = 0; j < columns; j += Lanes)
        {
            Avx512F.ConvertToVector256Int16(Avx512F.ConvertToVector512Int32(Load(row, j, columns) * factor)).Store(target + j);
        }

        return FixedScale.Unit(scale);
    }

    private static float Scale(float* row, int columns)
    {
        float largestSquare = 0;
        Vector512<float> largest = Vector512<float>.Zero;
        for (int block = 0; block < columns; block += FixedScale.BlockSteps)
        {
            Vector512<float> squares = Vector512<float>.Zero;
            int end = Math.Min(columns, block + FixedScale.BlockSteps);
            for (int j = block; j < end; j += Lanes)
            {
                Vector512<float> value = Load(row, j, end);
                squares = Avx512F.FusedMultiplyAdd(value, value, squares);
                largest = Avx512F.Max(largest, Vector512.Abs(value));
            }

            largestSquare = MathF.Max(largestSquare, Vector512.Sum(squares));
        }

        return FixedScale.Scale(largestSquare, Simd512.Largest(largest));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(float* row, int j, int end) =>
        j + Lanes <= end ? Vector512.Load(row + j) : Simd512.LoadPartial(row + j, end - j);
}
