using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Triangular factor and inverse of one small block, in place in its lower triangle.</summary>
internal static unsafe class CpuCholeskyBlock
{
    /// <summary>Factors <c>A = L·Lᵀ</c>; returns 0, or 1 + the index of the first pivot that is not positive and finite.</summary>
    public static int Factor<T>(T* a, int n, int stride)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        for (int i = 0; i < n; i++)
        {
            T* row = a + ((long)i * stride);
            for (int j = 0; j <= i; j++)
            {
                T* other = a + ((long)j * stride);
                T sum = row[j];
                for (int k = 0; k < j; k++)
                {
                    sum -= row[k] * other[k];
                }

                if (j < i)
                {
                    row[j] = sum / other[j];
                }
                else if (sum > T.Zero && T.IsFinite(sum))
                {
                    row[i] = T.Sqrt(sum);
                }
                else
                {
                    return i + 1;
                }
            }
        }

        return 0;
    }

    /// <summary>Replaces L by L⁻¹.</summary>
    public static void Invert<T>(T* l, int n, int stride)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        for (int i = 0; i < n; i++)
        {
            T* row = l + ((long)i * stride);
            T reciprocal = T.One / row[i];
            for (int j = 0; j < i; j++)
            {
                T sum = T.Zero;
                for (int k = j; k < i; k++)
                {
                    sum += row[k] * l[((long)k * stride) + j];
                }

                row[j] = -sum * reciprocal;
            }

            row[i] = reciprocal;
        }
    }
}
