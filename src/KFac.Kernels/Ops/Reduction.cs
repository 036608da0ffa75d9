namespace KFac.Kernels;

/// <summary>Numbers from whole matrices, accumulated in float64 in an order fixed by the shape.</summary>
/// <remarks>Error: <c>n·2⁻⁵³·Σ|terms|</c> of n terms. NaN and infinity follow IEEE 754.</remarks>
public static class Reduction
{
    /// <summary>What <see cref="FirstNonFinite"/> writes when every element is finite.</summary>
    public const long None = -1;

    /// <summary><c>result ← Σ x</c>; 0 for an empty matrix.</summary>
    public static void Sum(DeviceStream stream, MatrixView<float> x, VectorView<double> result)
    {
        IReductionKernel kernel = Kernel(stream, x, result);
        kernel.Sum(x, result);
    }

    /// <summary><c>result ← Σ x∘y</c>.</summary>
    public static void Dot(DeviceStream stream, MatrixView<float> x, MatrixView<float> y, VectorView<double> result)
    {
        IReductionKernel kernel = Kernel(stream, x, result);
        Check.View(stream, y, nameof(y));
        Check.Shape(y, x.Rows, x.Columns, nameof(y));
        kernel.Dot(x, y, result);
    }

    /// <summary><c>result ← Σ x[i, i]</c> of a square matrix.</summary>
    public static void Trace(DeviceStream stream, MatrixView<float> x, VectorView<double> result)
    {
        IReductionKernel kernel = Kernel(stream, x, result);
        Check.Square(x, nameof(x));
        kernel.Trace(x, result);
    }

    /// <summary><c>result ← max |x[i,j] − x[j,i]|</c> of a square matrix; NaN when any element is.</summary>
    public static void MaxAsymmetry(DeviceStream stream, MatrixView<float> x, VectorView<double> result)
    {
        IReductionKernel kernel = Kernel(stream, x, result);
        Check.Square(x, nameof(x));
        kernel.MaxAsymmetry(x, result);
    }

    /// <summary><c>row ← α·(column sums of x) + β·row</c>; with β = 0 the old row is not read. Rounded to float32 once.</summary>
    public static void ColumnSum(DeviceStream stream, MatrixView<float> x, float alpha, float beta, VectorView<float> row)
    {
        IReductionKernel kernel = Check.Kernel(stream, static table => table.Reduction, nameof(Reduction));
        Check.View(stream, x, nameof(x));
        Check.View(stream, row, nameof(row));
        Check.Length(row, x.Columns, nameof(row));
        Check.NoOverlap(row, x, nameof(row), nameof(x));
        Check.Finite(alpha);
        Check.Finite(beta);
        kernel.ColumnSum(x, alpha, beta, row);
    }

    /// <summary><c>result[i] ← α·Σ_j x[i, j]·y[i, j]</c>, a number per row, rounded once from float64.</summary>
    /// <param name="result">[rows]; must not overlap x or y.</param>
    public static void RowDot(
        DeviceStream stream, MatrixView<float> x, MatrixView<float> y, float alpha, VectorView<float> result)
    {
        IReductionKernel kernel = Check.Kernel(stream, static table => table.Reduction, nameof(Reduction));
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.View(stream, result, nameof(result));
        Check.Shape(y, x.Rows, x.Columns, nameof(y));
        Check.Length(result, x.Rows, nameof(result));
        Check.NoOverlap(result, x, nameof(result), nameof(x));
        Check.NoOverlap(result, y, nameof(result), nameof(y));
        Check.Finite(alpha);
        kernel.RowDot(x, y, alpha, result);
    }

    /// <summary><c>result ← index (row·columns + column) of the first NaN or infinity</c>, or <see cref="None"/>.</summary>
    public static void FirstNonFinite(DeviceStream stream, MatrixView<float> x, VectorView<long> result)
    {
        IReductionKernel kernel = Kernel(stream, x, result);
        kernel.FirstNonFinite(x, result);
    }

    /// <summary><c>result ← number of rows whose largest element stands at the label</c>; the first of equals counts, masked rows (−1) and rows with a NaN do not.</summary>
    public static void CountCorrect(DeviceStream stream, MatrixView<float> scores, VectorView<int> labels, VectorView<long> result)
    {
        IReductionKernel kernel = Kernel(stream, scores, result);
        Check.View(stream, labels, nameof(labels));
        Check.Length(labels, scores.Rows, nameof(labels));
        kernel.CountCorrect(scores, labels, result);
    }

    private static IReductionKernel Kernel<T>(DeviceStream stream, MatrixView<float> x, VectorView<T> result)
        where T : unmanaged
    {
        IReductionKernel kernel = Check.Kernel(stream, static table => table.Reduction, nameof(Reduction));
        Check.View(stream, x, nameof(x));
        Check.View(stream, result, nameof(result));
        Check.Length(result, 1, nameof(result));
        return kernel;
    }
}

/// <summary>A device's implementation of <see cref="Reduction"/>.</summary>
internal interface IReductionKernel
{
    void Sum(MatrixView<float> x, VectorView<double> result);

    void Dot(MatrixView<float> x, MatrixView<float> y, VectorView<double> result);

    void Trace(MatrixView<float> x, VectorView<double> result);

    void MaxAsymmetry(MatrixView<float> x, VectorView<double> result);

    void ColumnSum(MatrixView<float> x, float alpha, float beta, VectorView<float> row);

    void RowDot(MatrixView<float> x, MatrixView<float> y, float alpha, VectorView<float> result);

    void FirstNonFinite(MatrixView<float> x, VectorView<long> result);

    void CountCorrect(MatrixView<float> scores, VectorView<int> labels, VectorView<long> result);
}
