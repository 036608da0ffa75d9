using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Implicit QL iteration for small symmetric tridiagonal matrices in float64.</summary>
/// <remarks>Golub &amp; Van Loan, Matrix Computations (4th ed.), 8.3.</remarks>
internal static unsafe class TridiagonalQl
{
    private const int MaxSweepsPerValue = 60;

    /// <summary>Implicit QL on the tridiagonal (d, e), where e[i] couples i and i + 1; rotates rows i and i + 1 of
    /// <paramref name="rows"/>, each <paramref name="length"/> long.</summary>
    public static bool Iterate(int n, double* d, double* e, double* rows, int length, int stride)
    {
        double norm = 0;
        for (int i = 0; i < n; i++)
        {
            norm = Math.Max(norm, Math.Abs(d[i]) + (i < n - 1 ? Math.Abs(e[i]) : 0));
        }

        double negligible = norm * 1e-18;
        for (int l = 0; l < n; l++)
        {
            for (int sweep = 0; ; sweep++)
            {
                int m = l;
                while (m < n - 1 && !IsNegligible(d, e, m, negligible))
                {
                    m++;
                }

                if (m == l)
                {
                    break;
                }

                if (sweep == MaxSweepsPerValue)
                {
                    return false;
                }

                Sweep(l, m, d, e, rows, length, stride);
            }
        }

        return true;
    }

    /// <summary>Sorts the values in ascending order and writes where each was to <paramref name="order"/>.</summary>
    public static void Sort(int n, double* values, int* order)
    {
        for (int i = 0; i < n; i++)
        {
            order[i] = i;
        }

        new Span<double>(values, n).Sort(new Span<int>(order, n));
    }

    private static bool IsNegligible(double* d, double* e, int m, double negligible)
    {
        double size = Math.Abs(e[m]);
        return size <= negligible || size <= 1e-16 * (Math.Abs(d[m]) + Math.Abs(d[m + 1]));
    }

    private static void Sweep(int l, int m, double* d, double* e, double* rows, int length, int stride)
    {
        // Wilkinson's shift, from the leading 2×2 block.
        double g = (d[l + 1] - d[l]) / (2 * e[l]);
        double r = Math.Sqrt((g * g) + 1);
        g = d[m] - d[l] + (e[l] / (g + Math.CopySign(r, g)));
        double s = 1;
        double c = 1;
        double p = 0;
        for (int i = m - 1; i >= l; i--)
        {
            double f = s * e[i];
            double b = c * e[i];
            r = Math.Sqrt((f * f) + (g * g));
            e[i + 1] = r;
            if (r == 0)
            {
                d[i + 1] -= p;
                e[m] = 0;
                return;
            }

            s = f / r;
            c = g / r;
            g = d[i + 1] - p;
            r = ((d[i] - g) * s) + (2 * c * b);
            p = s * r;
            d[i + 1] = g + p;
            g = (c * r) - b;
            Rotate(rows + ((long)i * stride), rows + ((long)(i + 1) * stride), length, c, s);
        }

        d[l] -= p;
        e[l] = g;
        e[m] = 0;
    }

    private static void Rotate(double* x, double* y, int length, double c, double s)
    {
        int k = 0;
        for (; k + Vector<double>.Count <= length; k += Vector<double>.Count)
        {
            Vector<double> first = Vector.Load(x + k);
            Vector<double> second = Vector.Load(y + k);
            ((s * first) + (c * second)).Store(y + k);
            ((c * first) - (s * second)).Store(x + k);
        }

        for (; k < length; k++)
        {
            double f = y[k];
            y[k] = (s * x[k]) + (c * f);
            x[k] = (c * x[k]) - (s * f);
        }
    }
}
