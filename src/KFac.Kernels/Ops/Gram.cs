namespace KFac.Kernels;

/// <summary>Gram matrices <c>C ← α·X̃ᵀX̃ + β·C</c>, the Kronecker factors of K-FAC (Listing 1; equations 7, 10, 28, 40, 55).</summary>
/// <remarks>
/// X̃ is X, or X with each example's rows reduced to one, and with <c>appendOnes</c> a last column that holds what the
/// same reduction makes of ones: 1 under mean or without reduction, √R under 1/√R, R under sum. One triangle is computed
/// and mirrored, so C is symmetric to the bit. With β = 0 the old C is not read; otherwise C must be symmetric and its
/// lower triangle is what is read. C must not overlap X. An example without rows contributes zero.
/// Error per element: at most <c>γ(N+2)·(|α|·|X̃|ᵀ|X̃| + |β·C|)</c> over N rows, plus <c>2γ(R+1)·|α|·|X̃|ᵀ|X̃|</c> after a reduction.
/// </remarks>
public static class Gram
{
    /// <summary>Every row counts: K-FAC-expand, and layers without sharing.</summary>
    /// <param name="x">[N, P].</param>
    /// <param name="gram">[P, P], or [P+1, P+1] with <paramref name="appendOnes"/>.</param>
    public static void Expand(
        DeviceStream stream, MatrixView<float> x, float alpha, float beta, MatrixView<float> gram, bool appendOnes = false)
    {
        IGramKernel kernel = CheckCommon(stream, x, alpha, beta, gram, appendOnes);
        kernel.Run(new GramArguments(x, 1, null, SharingScale.Sum, alpha, beta, gram, appendOnes));
    }

    /// <summary>Each example's R consecutive rows are reduced to one first: K-FAC-reduce.</summary>
    /// <param name="x">[M·R, P].</param>
    /// <param name="sharing">R, at least 1.</param>
    public static void Reduce(
        DeviceStream stream,
        MatrixView<float> x,
        int sharing,
        SharingScale scale,
        float alpha,
        float beta,
        MatrixView<float> gram,
        bool appendOnes = false)
    {
        IGramKernel kernel = CheckCommon(stream, x, alpha, beta, gram, appendOnes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sharing);
        if (x.Rows % sharing != 0)
        {
            throw new ArgumentException($"x has {x.Rows} rows; wanted a multiple of the sharing dimension {sharing}.", nameof(x));
        }

        kernel.Run(new GramArguments(x, sharing, null, scale, alpha, beta, gram, appendOnes));
    }

    /// <summary>Each example's rows, as many as it has, are reduced to one first: K-FAC-reduce on ragged batches.</summary>
    /// <param name="x">[R_M, P].</param>
    public static void Reduce(
        DeviceStream stream,
        MatrixView<float> x,
        SegmentOffsets offsets,
        SharingScale scale,
        float alpha,
        float beta,
        MatrixView<float> gram,
        bool appendOnes = false)
    {
        IGramKernel kernel = CheckCommon(stream, x, alpha, beta, gram, appendOnes);
        ArgumentNullException.ThrowIfNull(offsets);
        Check.View(stream, offsets.View, nameof(offsets));
        Check.Same(x.Rows, offsets.Rows, "rows of x", "rows that the offsets cover");
        kernel.Run(new GramArguments(x, 0, offsets, scale, alpha, beta, gram, appendOnes));
    }

    private static IGramKernel CheckCommon(
        DeviceStream stream, MatrixView<float> x, float alpha, float beta, MatrixView<float> gram, bool appendOnes)
    {
        IGramKernel kernel = Check.Kernel(stream, static table => table.Gram, nameof(Gram));
        int width = x.Columns + (appendOnes ? 1 : 0);
        Check.View(stream, x, nameof(x));
        Check.View(stream, gram, nameof(gram));
        Check.Shape(gram, width, width, nameof(gram));
        Check.Finite(alpha);
        Check.Finite(beta);
        Check.NoOverlap(gram, x, nameof(gram), nameof(x));
        return kernel;
    }
}

/// <summary>Checked arguments: sharing 1 is expand, null offsets are uniform.</summary>
internal readonly record struct GramArguments(
    MatrixView<float> X,
    int Sharing,
    SegmentOffsets? Offsets,
    SharingScale Scale,
    float Alpha,
    float Beta,
    MatrixView<float> Gram,
    bool AppendOnes);

/// <summary>A device's implementation of <see cref="Gram"/>.</summary>
internal interface IGramKernel
{
    void Run(in GramArguments arguments);
}
