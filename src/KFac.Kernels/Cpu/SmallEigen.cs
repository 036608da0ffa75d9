using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Eigendecomposition of one small matrix in float64: Householder tridiagonalisation, then implicit QL.</summary>
/// <remarks>Golub &amp; Van Loan, Matrix Computations (4th ed.), 8.3. Eigenvectors are held as rows, so that reflections and
/// rotations run along contiguous memory. float64 holds every product of float32 numbers, so nothing is scaled.</remarks>
internal static unsafe class SmallEigen
{
    /// <summary>Sizes up to which this is faster than the blocked route.</summary>
    public const int MaxSize = 32;

    private const int MaxSweepsPerValue = 60;

    /// <summary>Diagonalises one item; returns its status.</summary>
    public static int Solve(CpuDevice device, in EigenTask task)
    {
        int n = task.Size;
        using ScratchLease lease = device.Scratch.Rent((((long)n * n) + (3L * n)) * sizeof(double));
        double* rows = lease.As<double>();
        double* diagonal = rows + (n * n);
        double* offDiagonal = diagonal + n;
        int* order = (int*)(offDiagonal + n);
        if (!Load(task, rows))
        {
            return 1;
        }

        Reduce(n, rows, diagonal, offDiagonal);
        if (!Iterate(n, diagonal, offDiagonal, rows, n, n))
        {
            return 1;
        }

        Sort(n, diagonal, order);
        for (int k = 0; k < n; k++)
        {
            task.Values[k] = (float)diagonal[k];
            WriteVector(rows + (order[k] * n), k, task);
        }

        return 0;
    }

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

    /// <summary>Copies the lower triangle to both triangles of <paramref name="a"/>; false when an element is not finite.</summary>
    private static bool Load(in EigenTask task, double* a)
    {
        for (int i = 0; i < task.Size; i++)
        {
            float* row = task.Matrix + (i * task.MatrixStride);
            for (int j = 0; j <= i; j++)
            {
                if (!float.IsFinite(row[j]))
                {
                    return false;
                }

                a[(i * task.Size) + j] = row[j];
                a[(j * task.Size) + i] = row[j];
            }
        }

        return true;
    }

    private static void WriteVector(double* vector, int column, in EigenTask task)
    {
        int largest = 0;
        for (int i = 1; i < task.Size; i++)
        {
            largest = Math.Abs((float)vector[i]) > Math.Abs((float)vector[largest]) ? i : largest;
        }

        double sign = vector[largest] < 0 ? -1 : 1;
        for (int i = 0; i < task.Size; i++)
        {
            task.Vectors[(i * task.VectorsStride) + column] = (float)(sign * vector[i]);
        }
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

    /// <summary>Householder reduction A = Qᵀ·T·Q; A is overwritten by Q, whose rows the iteration then rotates.</summary>
    private static void Reduce(int n, double* a, double* d, double* e)
    {
        // Reflector k annihilates column k below the subdiagonal; v (with v[k+1] = 1 folded into its scale) stays in row k.
        for (int k = 0; k < n; k++)
        {
            double* v = a + ((long)k * n);
            d[k] = v[k];
            if (k >= n - 1)
            {
                break;
            }

            e[k] = MakeReflector(v, k + 1, n, out double tau);
            v[k] = tau;
            if (tau != 0)
            {
                ApplyTwoSided(a, k + 1, n, v, tau, d + k + 1);
            }
        }

        Accumulate(n, a);
    }

    /// <summary>Turns v[first..n) into a reflector I − τ·v·vᵀ that maps it to (β, 0, …, 0); returns β.</summary>
    private static double MakeReflector(double* v, int first, int n, out double tau)
    {
        double tail = 0;
        for (int i = first + 1; i < n; i++)
        {
            tail += v[i] * v[i];
        }

        double alpha = v[first];
        if (tail == 0)
        {
            tau = 0;
            return alpha;
        }

        double beta = -Math.CopySign(Math.Sqrt((alpha * alpha) + tail), alpha);
        double reciprocal = 1 / (alpha - beta);
        for (int i = first + 1; i < n; i++)
        {
            v[i] *= reciprocal;
        }

        v[first] = 1;
        tau = (beta - alpha) / beta;
        return beta;
    }

    /// <summary>A ← H·A·H on rows and columns first..n, with w of n − first as workspace.</summary>
    private static void ApplyTwoSided(double* a, int first, int n, double* v, double tau, double* w)
    {
        double product = 0;
        for (int i = first; i < n; i++)
        {
            w[i - first] = tau * Dot(a + ((long)i * n), v, first, n);
            product += w[i - first] * v[i];
        }

        double half = 0.5 * tau * product;
        for (int i = first; i < n; i++)
        {
            w[i - first] -= half * v[i];
        }

        for (int i = first; i < n; i++)
        {
            double* row = a + ((long)i * n);
            double vi = v[i];
            double wi = w[i - first];
            for (int j = first; j < n; j++)
            {
                row[j] -= (vi * w[j - first]) + (wi * v[j]);
            }
        }
    }

    /// <summary>Q = H(n−2)·…·H(0), built from the last reflector back; reflector k lies in row k from column k + 1, τ at column k.</summary>
    private static void Accumulate(int n, double* a)
    {
        // Rows of Q are rows of the product transposed: applying each reflector from the right keeps them contiguous.
        for (int k = n - 2; k >= 0; k--)
        {
            double* v = a + ((long)k * n);
            double tau = v[k];
            AddUnit(n, a, k + 1);
            MultiplyFromRight(n, a, k + 1, v, tau);
        }

        if (n > 0)
        {
            AddUnit(n, a, 0);
        }
    }

    /// <summary>Row and column <paramref name="index"/>, whose reflector has been applied, become those of the identity.</summary>
    private static void AddUnit(int n, double* a, int index)
    {
        new Span<double>(a + ((long)index * n), n).Clear();
        for (int i = index + 1; i < n; i++)
        {
            a[((long)i * n) + index] = 0;
        }

        a[((long)index * n) + index] = 1;
    }

    private static void MultiplyFromRight(int n, double* a, int first, double* v, double tau)
    {
        for (int i = first; i < n; i++)
        {
            double* row = a + ((long)i * n);
            double sum = tau * Dot(row, v, first, n);
            for (int j = first; j < n; j++)
            {
                row[j] -= sum * v[j];
            }
        }
    }

    private static double Dot(double* x, double* y, int first, int n)
    {
        Vector<double> sums = default;
        int i = first;
        for (; i + Vector<double>.Count <= n; i += Vector<double>.Count)
        {
            sums += Vector.Load(x + i) * Vector.Load(y + i);
        }

        double sum = Vector.Sum(sums);
        for (; i < n; i++)
        {
            sum += x[i] * y[i];
        }

        return sum;
    }
}
