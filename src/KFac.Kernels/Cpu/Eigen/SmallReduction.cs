using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Householder reduction of one small symmetric matrix to tridiagonal form in float64.</summary>
/// <remarks>Golub &amp; Van Loan, Matrix Computations (4th ed.), 8.3.</remarks>
internal static unsafe class SmallReduction
{
    /// <summary><c>A = Qᵀ·T·Q</c>; A is overwritten by Q, whose rows an iteration on T may then rotate.</summary>
    public static void Run(int n, double* a, double* d, double* e)
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
