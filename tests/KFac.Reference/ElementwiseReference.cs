namespace KFac.Reference;

/// <summary>Element-wise arithmetic on row-major matrices.</summary>
public static class ElementwiseReference
{
    /// <summary><c>α·x + β·y</c>.</summary>
    public static double[] Axpby(double alpha, double[] x, double beta, double[] y) =>
        [.. x.Zip(y, (xi, yi) => (alpha * xi) + (beta == 0 ? 0 : beta * yi))];

    /// <summary><c>y[i, :] + row</c>.</summary>
    public static double[] AddRow(double[] row, double[] y) => [.. y.Select((yi, i) => yi + row[i % row.Length])];

    /// <summary><c>v[i, j] / (b[i]·a[j] + λ)</c>.</summary>
    public static double[] KroneckerDivide(double[] v, double[] b, double[] a, double damping) =>
        [.. v.Select((vi, i) => vi / ((b[i / a.Length] * a[i % a.Length]) + damping))];
}
