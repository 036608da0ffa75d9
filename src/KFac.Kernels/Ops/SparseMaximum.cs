namespace KFac.Kernels;

/// <summary>The largest of the rows that a sparse matrix names, column by column: maximum aggregation over a graph's edges.</summary>
/// <remarks>Only where S has entries matters, not their values. Each entry must occur once.</remarks>
public static class SparseMaximum
{
    /// <summary>Marks an output element that no row was chosen for.</summary>
    public const int None = -1;

    /// <summary><c>y[i, j] ← max x[k, j]</c> over the entries (i, k) of S; exact.</summary>
    /// <remarks>Of equal ones the first entry wins. A NaN is larger than any number. A row without entries becomes zeros.</remarks>
    /// <param name="s">[m, n].</param>
    /// <param name="x">[n, P].</param>
    /// <param name="y">[m, P].</param>
    /// <param name="winners">[m, P]: the k of each maximum, or <see cref="None"/>.</param>
    public static void Forward(DeviceStream stream, SparseMatrix s, MatrixView<float> x, MatrixView<float> y, MatrixView<int> winners)
    {
        ISparseMaximumKernel kernel = Check.Kernel(stream, static table => table.SparseMaximum, nameof(SparseMaximum));
        ArgumentNullException.ThrowIfNull(s);
        Check.View(stream, s.Offsets, nameof(s));
        Check.View(stream, s.Indices, nameof(s));
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.View(stream, winners, nameof(winners));
        Check.Shape(x, s.Columns, x.Columns, nameof(x));
        Check.Shape(y, s.Rows, x.Columns, nameof(y));
        Check.Shape(winners, s.Rows, x.Columns, nameof(winners));
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        Check.NoOverlap(winners, x, nameof(winners), nameof(x));
        Check.NoOverlap(winners, y, nameof(winners), nameof(y));
        if (y.Rows > 0 && y.Columns > 0)
        {
            kernel.Forward(s, x, y, winners);
        }
    }

    /// <summary><c>∂x[k, j] ← Σ ∂y[i, j] + beta·∂x[k, j]</c> over the i whose maximum is k's, for one or more blocks of gradients.</summary>
    /// <remarks>Summed in the order of the entries, in float32. Error: <c>γ(e + 2)·(Σ|∂y| + |beta||∂x|)</c> with e entries.</remarks>
    /// <param name="transposed">Sᵀ, [n, m].</param>
    /// <param name="winners">Of <see cref="Forward"/>, [m, P].</param>
    /// <param name="outputGradient">[B·m, P]: B blocks.</param>
    /// <param name="beta">0 to overwrite, whatever was there.</param>
    /// <param name="inputGradient">[B·n, P].</param>
    public static void Backward(
        DeviceStream stream,
        SparseMatrix transposed,
        MatrixView<int> winners,
        MatrixView<float> outputGradient,
        float beta,
        MatrixView<float> inputGradient)
    {
        ISparseMaximumKernel kernel = Check.Kernel(stream, static table => table.SparseMaximum, nameof(SparseMaximum));
        ArgumentNullException.ThrowIfNull(transposed);
        Check.View(stream, transposed.Offsets, nameof(transposed));
        Check.View(stream, transposed.Indices, nameof(transposed));
        Check.View(stream, winners, nameof(winners));
        Check.View(stream, outputGradient, nameof(outputGradient));
        Check.View(stream, inputGradient, nameof(inputGradient));
        int blocks = transposed.Columns > 0
            ? Check.Seeds(outputGradient.Rows, transposed.Columns, nameof(outputGradient))
            : Check.Seeds(inputGradient.Rows, transposed.Rows, nameof(inputGradient));
        int width = outputGradient.Columns;
        Check.Shape(winners, transposed.Columns, width, nameof(winners));
        Check.Shape(outputGradient, blocks * transposed.Columns, width, nameof(outputGradient));
        Check.Shape(inputGradient, blocks * transposed.Rows, width, nameof(inputGradient));
        Check.NoOverlap(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        Check.NoOverlap(inputGradient, winners, nameof(inputGradient), nameof(winners));
        Check.Finite(beta);
        if (inputGradient.Rows > 0 && width > 0)
        {
            kernel.Backward(transposed, winners, outputGradient, beta, inputGradient);
        }
    }
}

/// <summary>A device's implementation of <see cref="SparseMaximum"/>.</summary>
internal interface ISparseMaximumKernel
{
    void Forward(SparseMatrix s, MatrixView<float> x, MatrixView<float> y, MatrixView<int> winners);

    void Backward(SparseMatrix transposed, MatrixView<int> winners, MatrixView<float> outputGradient, float beta, MatrixView<float> inputGradient);
}
