namespace KFac.Kernels;

/// <summary>Weight normalisation by rows (Salimans and Kingma 2016): every row of a weight has a direction and a length of its own.</summary>
/// <remarks><c>W[r, :] = g[r]/‖v[r, :]‖ · v[r, :]</c>, with the norm summed in float64 and the factor rounded once to float32. A row of
/// zeros has no direction and becomes NaN, as does a row with a NaN or an infinity; other rows are not touched by it.</remarks>
public static class WeightNorm
{
    /// <summary>Gives every row its length.</summary>
    /// <remarks>Error: <c>γ(3)·|W|</c>.</remarks>
    /// <param name="v">[N, P], the directions.</param>
    /// <param name="gain">g, [N]; empty for rows of length 1.</param>
    /// <param name="weight">W, [N, P]; may be v.</param>
    public static void Forward(DeviceStream stream, MatrixView<float> v, VectorView<float> gain, MatrixView<float> weight)
    {
        IWeightNormKernel kernel = Kernel(stream, v, gain);
        Check.View(stream, weight, nameof(weight));
        Check.Shape(weight, v.Rows, v.Columns, nameof(weight));
        Check.InPlaceOrApart(weight, v, nameof(weight), nameof(v));
        Check.NoOverlap(weight, gain, nameof(weight), nameof(gain));
        kernel.Forward(v, gain, weight);
    }

    /// <summary><c>∂v[r] ← g[r]/‖v[r]‖·(∂W[r] − (∂W[r]·v[r]/‖v[r]‖²)·v[r]) + beta·∂v[r]</c> and
    /// <c>∂g[r] ← ∂W[r]·v[r]/‖v[r]‖ + beta·∂g[r]</c>.</summary>
    /// <remarks>Error in ∂v: <c>γ(5)·|g|/‖v‖·(|∂W| + d·|v|/‖v‖²) + γ(2)·|beta·∂v|</c> with <c>d = Σ|∂W∘v|</c> of the row; in ∂g
    /// <c>γ(2)</c> of <c>d/‖v‖ + |beta·∂g|</c>.</remarks>
    /// <param name="v">[N, P], as the forward pass was given it.</param>
    /// <param name="gain">g, [N]; empty for rows of length 1.</param>
    /// <param name="weightGradient">∂W, [N, P].</param>
    /// <param name="beta">0 to overwrite, whatever was there.</param>
    /// <param name="directionGradient">∂v, [N, P]; may be <paramref name="weightGradient"/> when beta is 0.</param>
    /// <param name="gainGradient">∂g, [N]; empty exactly when <paramref name="gain"/> is.</param>
    public static void Backward(
        DeviceStream stream,
        MatrixView<float> v,
        VectorView<float> gain,
        MatrixView<float> weightGradient,
        float beta,
        MatrixView<float> directionGradient,
        VectorView<float> gainGradient)
    {
        IWeightNormKernel kernel = Kernel(stream, v, gain);
        Check.View(stream, weightGradient, nameof(weightGradient));
        Check.View(stream, directionGradient, nameof(directionGradient));
        Check.Shape(weightGradient, v.Rows, v.Columns, nameof(weightGradient));
        Check.Shape(directionGradient, v.Rows, v.Columns, nameof(directionGradient));
        Check.NoOverlap(directionGradient, v, nameof(directionGradient), nameof(v));
        Check.Finite(beta);
        if (beta == 0)
        {
            Check.InPlaceOrApart(directionGradient, weightGradient, nameof(directionGradient), nameof(weightGradient));
        }
        else
        {
            Check.NoOverlap(directionGradient, weightGradient, nameof(directionGradient), nameof(weightGradient));
        }

        Check.NoOverlap(directionGradient, gain, nameof(directionGradient), nameof(gain));
        Check.Length(gainGradient, gain.Length, nameof(gainGradient));
        if (!gain.IsEmpty)
        {
            Check.View(stream, gainGradient, nameof(gainGradient));
            Check.NoOverlap(gainGradient, gain, nameof(gainGradient), nameof(gain));
            Check.NoOverlap(gainGradient, v, nameof(gainGradient), nameof(v));
            Check.NoOverlap(gainGradient, weightGradient, nameof(gainGradient), nameof(weightGradient));
            Check.NoOverlap(gainGradient, directionGradient, nameof(gainGradient), nameof(directionGradient));
        }

        kernel.Backward(v, gain, weightGradient, beta, directionGradient, gainGradient);
    }

    private static IWeightNormKernel Kernel(DeviceStream stream, MatrixView<float> v, VectorView<float> gain)
    {
        IWeightNormKernel kernel = Check.Kernel(stream, static table => table.WeightNorm, nameof(WeightNorm));
        Check.View(stream, v, nameof(v));
        if (v.Rows > 0 && v.Columns == 0)
        {
            throw new ArgumentException($"v is {v}; wanted at least one column.", nameof(v));
        }

        if (!gain.IsEmpty)
        {
            Check.View(stream, gain, nameof(gain));
            Check.Length(gain, v.Rows, nameof(gain));
        }

        return kernel;
    }
}

/// <summary>A device's implementation of <see cref="WeightNorm"/>.</summary>
internal interface IWeightNormKernel
{
    void Forward(MatrixView<float> v, VectorView<float> gain, MatrixView<float> weight);

    void Backward(
        MatrixView<float> v,
        VectorView<float> gain,
        MatrixView<float> weightGradient,
        float beta,
        MatrixView<float> directionGradient,
        VectorView<float> gainGradient);
}
