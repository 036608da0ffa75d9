namespace KFac.Kernels;

/// <summary>Whether a matrix enters a product as stored or transposed.</summary>
public enum Transpose
{
    /// <summary>As stored.</summary>
    No,

    /// <summary>Transposed.</summary>
    Yes,
}

/// <summary>General matrix product <c>C ← α·op(A)·op(B) + β·C</c>.</summary>
/// <remarks>
/// <c>op(A)</c> is m×k, <c>op(B)</c> is k×n, C is m×n; any row strides. With β = 0 the old contents of C are not read, so
/// they may be NaN. With k = 0 or α = 0 the result is β·C. C must not overlap A or B.
/// Error per element: at most <c>γ(k+2)·(|α|·|op(A)|·|op(B)| + |β·C|)</c>, with <c>γ(n) = n·ε/(1 − n·ε)</c>, ε = 2⁻²⁴.
/// NaN and infinities in A or B reach the elements they contribute to.
/// </remarks>
public static class Gemm
{
    /// <summary>Computes the product.</summary>
    /// <exception cref="ArgumentException">Shapes disagree, or C overlaps an input; C is untouched.</exception>
    public static void Run(
        DeviceStream stream,
        Transpose transposeA,
        Transpose transposeB,
        float alpha,
        MatrixView<float> a,
        MatrixView<float> b,
        float beta,
        MatrixView<float> c)
    {
        Check.View(stream, a, nameof(a));
        (int m, int k) = transposeA == Transpose.No ? (a.Rows, a.Columns) : (a.Columns, a.Rows);
        (int kb, int n) = transposeB == Transpose.No ? (b.Rows, b.Columns) : (b.Columns, b.Rows);
        Check.Same(k, kb, "inner dimension of op(A)", "inner dimension of op(B)");
        RunBatched(stream, transposeA, transposeB, alpha, a, b, beta, c, batch: 1, m, n, k);
    }

    /// <summary>Computes <paramref name="batch"/> products of matrices stacked on top of each other.</summary>
    /// <param name="a">batch stacked matrices, each of <c>a.Rows / batch</c> rows.</param>
    /// <param name="b">batch stacked matrices, each of <c>b.Rows / batch</c> rows.</param>
    /// <param name="c">batch stacked m×n results.</param>
    /// <exception cref="ArgumentException">Shapes disagree or do not divide by the batch; C is untouched.</exception>
    public static void RunStacked(
        DeviceStream stream,
        Transpose transposeA,
        Transpose transposeB,
        float alpha,
        MatrixView<float> a,
        MatrixView<float> b,
        float beta,
        MatrixView<float> c,
        int batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        if (a.Rows % batch != 0 || b.Rows % batch != 0 || c.Rows % batch != 0)
        {
            throw new ArgumentException($"A has {a.Rows} rows, B {b.Rows}, C {c.Rows}; wanted multiples of the batch {batch}.");
        }

        int rowsA = a.Rows / batch;
        int rowsB = b.Rows / batch;
        (int m, int k) = transposeA == Transpose.No ? (rowsA, a.Columns) : (a.Columns, rowsA);
        (int kb, int n) = transposeB == Transpose.No ? (rowsB, b.Columns) : (b.Columns, rowsB);
        Check.Same(k, kb, "inner dimension of op(A)", "inner dimension of op(B)");
        RunBatched(stream, transposeA, transposeB, alpha, a, b, beta, c, batch, m, n, k);
    }

    private static void RunBatched(
        DeviceStream stream,
        Transpose transposeA,
        Transpose transposeB,
        float alpha,
        MatrixView<float> a,
        MatrixView<float> b,
        float beta,
        MatrixView<float> c,
        int batch,
        int m,
        int n,
        int k)
    {
        IGemmKernel kernel = Check.Kernel(stream, static table => table.Gemm, nameof(Gemm));
        Check.View(stream, a, nameof(a));
        Check.View(stream, b, nameof(b));
        Check.View(stream, c, nameof(c));
        Check.Shape(c, batch * m, n, nameof(c));
        Check.Finite(alpha);
        Check.Finite(beta);
        Check.NoOverlap(c, a, nameof(c), nameof(a));
        Check.NoOverlap(c, b, nameof(c), nameof(b));
        if (m == 0 || n == 0)
        {
            return;
        }

        kernel.Run(new GemmArguments(transposeA, transposeB, alpha, a, b, beta, c, batch, m, n, k));
        GC.KeepAlive(a.Buffer);
        GC.KeepAlive(b.Buffer);
        GC.KeepAlive(c.Buffer);
    }
}

/// <summary>Checked arguments of a product, per matrix of the batch.</summary>
internal readonly record struct GemmArguments(
    Transpose TransposeA,
    Transpose TransposeB,
    float Alpha,
    MatrixView<float> A,
    MatrixView<float> B,
    float Beta,
    MatrixView<float> C,
    int Batch,
    int M,
    int N,
    int K);

/// <summary>A device's implementation of <see cref="Gemm"/>.</summary>
internal interface IGemmKernel
{
    void Run(in GemmArguments arguments);
}
