namespace KFac.Kernels;

/// <summary>Element-wise arithmetic on matrices of any row stride.</summary>
/// <remarks>Outputs may be the very view of an input (in place), but must not overlap one partly. Error: at most
/// <c>γ(2)·(|αx| + |βy|)</c> for <see cref="Axpby"/>, one rounding for <see cref="AddRow"/>, and γ(3) of the result for
/// <see cref="KroneckerDivide"/> where eigenvalues and damping are not negative. NaN and infinity follow IEEE 754.</remarks>
public static class Elementwise
{
    /// <summary><c>y ← value</c>.</summary>
    public static void Fill(DeviceStream stream, float value, MatrixView<float> y)
    {
        IElementwiseKernel kernel = Kernel(stream);
        Check.View(stream, y, nameof(y));
        kernel.Fill(value, y);
    }

    /// <summary><c>y ← x</c>.</summary>
    public static void Copy(DeviceStream stream, MatrixView<float> x, MatrixView<float> y)
    {
        IElementwiseKernel kernel = Kernel(stream);
        CheckSame(stream, x, y, nameof(x), nameof(y));
        kernel.Copy(x, y);
    }

    /// <summary><c>y ← α·x + β·y</c>; with β = 0 the old y is not read.</summary>
    public static void Axpby(DeviceStream stream, float alpha, MatrixView<float> x, float beta, MatrixView<float> y)
    {
        IElementwiseKernel kernel = Kernel(stream);
        CheckSame(stream, x, y, nameof(x), nameof(y));
        Check.Finite(alpha);
        Check.Finite(beta);
        kernel.Axpby(alpha, x, beta, y);
    }

    /// <summary><c>y[i, :] ← y[i, :] + row</c> for every row i.</summary>
    public static void AddRow(DeviceStream stream, VectorView<float> row, MatrixView<float> y)
    {
        IElementwiseKernel kernel = Kernel(stream);
        Check.View(stream, row, nameof(row));
        Check.View(stream, y, nameof(y));
        Check.Length(row, y.Columns, nameof(row));
        Check.NoOverlap(y, row, nameof(y), nameof(row));
        kernel.AddRow(row, y);
    }

    /// <summary><c>u[i, j] ← v[i, j] / (b[i]·a[j] + λ)</c>: product damping in the eigenbases.</summary>
    /// <param name="b">[rows], eigenvalues of B.</param>
    /// <param name="a">[columns], eigenvalues of A.</param>
    public static void KroneckerDivide(
        DeviceStream stream, MatrixView<float> v, VectorView<float> b, VectorView<float> a, float damping, MatrixView<float> u)
    {
        IElementwiseKernel kernel = Kernel(stream);
        CheckSame(stream, v, u, nameof(v), nameof(u));
        Check.View(stream, a, nameof(a));
        Check.View(stream, b, nameof(b));
        Check.Length(b, v.Rows, nameof(b));
        Check.Length(a, v.Columns, nameof(a));
        Check.NoOverlap(u, b, nameof(u), nameof(b));
        Check.NoOverlap(u, a, nameof(u), nameof(a));
        Check.Finite(damping);
        kernel.KroneckerDivide(v, b, a, damping, u);
    }

    private static IElementwiseKernel Kernel(DeviceStream stream) =>
        Check.Kernel(stream, static table => table.Elementwise, nameof(Elementwise));

    private static void CheckSame(DeviceStream stream, MatrixView<float> x, MatrixView<float> y, string xName, string yName)
    {
        Check.View(stream, x, xName);
        Check.View(stream, y, yName);
        Check.Shape(y, x.Rows, x.Columns, yName);
        Check.InPlaceOrApart(y, x, yName, xName);
    }
}

/// <summary>A device's implementation of <see cref="Elementwise"/>.</summary>
internal interface IElementwiseKernel
{
    void Fill(float value, MatrixView<float> y);

    void Copy(MatrixView<float> x, MatrixView<float> y);

    void Axpby(float alpha, MatrixView<float> x, float beta, MatrixView<float> y);

    void AddRow(VectorView<float> row, MatrixView<float> y);

    void KroneckerDivide(MatrixView<float> v, VectorView<float> b, VectorView<float> a, float damping, MatrixView<float> u);
}
