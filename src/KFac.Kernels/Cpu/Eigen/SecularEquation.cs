using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>Eigenvalues and eigenvectors of <c>diag(d) + ρ·z·zᵀ</c> with d strictly ascending, ρ &gt; 0 and no z zero.</summary>
/// <remarks>
/// Eigenvalue i is the root of <c>f(λ) = 1/ρ + Σ z_j²/(d_j − λ)</c> between d_i and d_{i+1} (the last: up to
/// <c>d_{k−1} + ρ‖z‖²</c>). It is found as a distance τ from the nearer pole, so that every <c>d_j − λ</c> is accurate, by
/// rational interpolation at the two poles around it (Li, LAPACK working note 89, 1993: the "middle way"), kept inside a
/// bracket by bisection. The eigenvector is <c>z_j/(d_j − λ)</c>. In float64 with poles and weights that deflation has
/// separated by float32's epsilon, these vectors are orthogonal to float32 precision as they stand (Sorensen and Tang, SIAM
/// J. Numer. Anal. 28, 1991); the weights need not be recomputed.
/// </remarks>
internal static unsafe class SecularEquation
{
    private const int MaxIterations = 200;
    private const double Epsilon = 2.2e-16;

    /// <summary>Root i of k as a distance from pole <paramref name="origin"/>.</summary>
    public static double Solve(int i, int k, double* d, double* z, double rho, out int origin)
    {
        return i == k - 1 ? SolveLast(k, d, z, rho, out origin) : SolveBetween(i, k, d, z, rho, out origin);
    }

    /// <summary>Writes the unit eigenvector for the root at <c>d[origin] + tau</c>, its elements in the order of (d, z).</summary>
    public static void WriteVector(int k, double* d, double* z, double pole, double tau, float* vector)
    {
        Sum(0, k, d, z, pole, tau, out _, out double square);
        double scale = 1 / Math.Sqrt(square);
        var poles = new Vector<double>(pole);
        var taus = new Vector<double>(tau);
        int j = 0;
        for (; j + (2 * Vector<double>.Count) <= k; j += 2 * Vector<double>.Count)
        {
            int next = j + Vector<double>.Count;
            Vector<double> first = scale * Vector.Load(z + j) / (Vector.Load(d + j) - poles - taus);
            Vector<double> second = scale * Vector.Load(z + next) / (Vector.Load(d + next) - poles - taus);
            Vector.Narrow(first, second).Store(vector + j);
        }

        for (; j < k; j++)
        {
            vector[j] = (float)(scale * z[j] / (d[j] - pole - tau));
        }
    }

    private static double SolveBetween(int i, int k, double* d, double* z, double rho, out int origin)
    {
        double gap = d[i + 1] - d[i];
        double middle = 0.5 * gap;
        Sums sums = Evaluate(i, k, d, z, d[i], middle);
        double value = (1 / rho) + sums.Below + sums.Above;
        bool isLeft = value >= 0;
        origin = isLeft ? i : i + 1;
        double low = isLeft ? 0 : -middle;
        double high = isLeft ? middle : 0;

        // The other poles' share at the middle stays as it is, the two nearest are kept exactly.
        double left = z[i] * z[i];
        double right = z[i + 1] * z[i + 1];
        double rest = value + (left / middle) - (right / middle);
        double sign = isLeft ? 1 : -1;
        double a = (sign * rest * gap) + left + right;
        double tau = Root(rest, a, sign * gap * (isLeft ? left : right));
        double leftPole = isLeft ? 0 : -gap;
        double rightPole = isLeft ? gap : 0;
        for (int iteration = 0; iteration < MaxIterations; iteration++)
        {
            if (!(tau > low && tau < high))
            {
                tau = 0.5 * (low + high);
            }

            sums = Evaluate(i, k, d, z, d[origin], tau);
            value = (1 / rho) + sums.Below + sums.Above;
            double slope = sums.BelowSlope + sums.AboveSlope;
            double noise = Epsilon * ((4 * ((1 / rho) + sums.Above - sums.Below)) + (Math.Abs(tau) * slope));
            if (Math.Abs(value) <= noise || IsTight(low, high))
            {
                break;
            }

            (low, high) = value < 0 ? (tau, high) : (low, tau);
            double toLeft = leftPole - tau;
            double toRight = rightPole - tau;
            double c = value - (toLeft * sums.BelowSlope) - (toRight * sums.AboveSlope);
            a = ((toLeft + toRight) * value) - (toLeft * toRight * slope);
            tau += Root(c, a, toLeft * toRight * value);
        }

        return tau;
    }

    private static double SolveLast(int k, double* d, double* z, double rho, out int origin)
    {
        origin = k - 1;
        double square = 0;
        for (int j = 0; j < k; j++)
        {
            square += z[j] * z[j];
        }

        double low = 0;
        double high = rho * square * (1 + 1e-12);
        double tau = 0.5 * high;
        for (int iteration = 0; iteration < MaxIterations; iteration++)
        {
            if (!(tau > low && tau < high))
            {
                tau = 0.5 * (low + high);
            }

            Sums sums = Evaluate(k - 1, k, d, z, d[k - 1], tau);
            double value = (1 / rho) + sums.Below;
            double noise = Epsilon * ((4 * ((1 / rho) - sums.Below)) + (tau * sums.BelowSlope));
            if (Math.Abs(value) <= noise || IsTight(low, high))
            {
                break;
            }

            // f is replaced by c − s/(τ + η) with the value and slope of f at τ.
            (low, high) = value < 0 ? (tau, high) : (low, tau);
            double c = value + (tau * sums.BelowSlope);
            tau = tau * tau * sums.BelowSlope / c;
        }

        return tau;
    }

    private static bool IsTight(double low, double high) => high - low <= 2 * Epsilon * Math.Max(Math.Abs(low), Math.Abs(high));

    /// <summary>The root of <c>c·x² − a·x + b</c> that interpolation between two poles wants, without cancellation.</summary>
    private static double Root(double c, double a, double b)
    {
        double root = Math.Sqrt(Math.Abs((a * a) - (4 * b * c)));
        return a <= 0 ? (a - root) / (2 * c) : 2 * b / (a + root);
    }

    /// <summary>The sums over the poles up to i, all terms negative, and over those above, all positive, with their slopes.</summary>
    private static Sums Evaluate(int i, int k, double* d, double* z, double pole, double tau)
    {
        Sum(0, i + 1, d, z, pole, tau, out double below, out double belowSlope);
        Sum(i + 1, k, d, z, pole, tau, out double above, out double aboveSlope);
        return new Sums(below, belowSlope, above, aboveSlope);
    }

    private static void Sum(int start, int end, double* d, double* z, double pole, double tau, out double value, out double slope)
    {
        var poles = new Vector<double>(pole);
        var taus = new Vector<double>(tau);
        Vector<double> values = default;
        Vector<double> slopes = default;
        int j = start;
        for (; j + Vector<double>.Count <= end; j += Vector<double>.Count)
        {
            Vector<double> weight = Vector.Load(z + j);
            Vector<double> ratio = weight / (Vector.Load(d + j) - poles - taus);
            values += weight * ratio;
            slopes += ratio * ratio;
        }

        value = Vector.Sum(values);
        slope = Vector.Sum(slopes);
        for (; j < end; j++)
        {
            double ratio = z[j] / (d[j] - pole - tau);
            value += z[j] * ratio;
            slope += ratio * ratio;
        }
    }

    private readonly record struct Sums(double Below, double BelowSlope, double Above, double AboveSlope);
}
