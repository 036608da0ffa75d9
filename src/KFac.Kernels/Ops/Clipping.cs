namespace KFac.Kernels;

/// <summary>Factors that shrink too large a step, computed where the step is so that nothing is read back, and their application.</summary>
/// <remarks>Factors are computed in float64, products added in their order, and rounded to float32 once. They are never above 1.</remarks>
public static class Clipping
{
    /// <summary><c>factor ← min(1, √(κ/(η² Σ products)))</c>; 1 where rounding leaves the sum at or below 0, or where it is NaN.</summary>
    /// <param name="products">Of each layer, the inner product of gradient and direction.</param>
    /// <param name="learningRate">[1], η.</param>
    /// <param name="clip">κ, a finite number above 0.</param>
    /// <param name="factor">[1].</param>
    public static void ByDivergence(
        DeviceStream stream, VectorView<double> products, VectorView<double> learningRate, double clip, VectorView<float> factor)
    {
        IClippingKernel kernel = Kernel(stream, factor);
        Check.View(stream, products, nameof(products));
        Check.View(stream, learningRate, nameof(learningRate));
        Check.Length(learningRate, 1, nameof(learningRate));
        CheckBound(clip, nameof(clip));
        kernel.ByDivergence(products, learningRate, clip, factor);
    }

    /// <summary><c>y ← factor·y</c>; where the factor is 1, y is neither read nor written. Error: one rounding.</summary>
    /// <param name="factor">[1], on the device; must not overlap y.</param>
    public static void Apply(DeviceStream stream, VectorView<float> factor, MatrixView<float> y)
    {
        IClippingKernel kernel = Kernel(stream, factor);
        Check.View(stream, y, nameof(y));
        Check.NoOverlap(y, factor, nameof(y), nameof(factor));
        kernel.Apply(factor, y);
    }

    private static IClippingKernel Kernel(DeviceStream stream, VectorView<float> factor)
    {
        IClippingKernel kernel = Check.Kernel(stream, static table => table.Clipping, nameof(Clipping));
        Check.View(stream, factor, nameof(factor));
        Check.Length(factor, 1, nameof(factor));
        return kernel;
    }

    private static void CheckBound(double bound, string name)
    {
        if (!(bound > 0 && double.IsFinite(bound)))
        {
            throw new ArgumentException($"{name} is {bound}; wanted a finite number above 0.", name);
        }
    }
}

/// <summary>A device's implementation of <see cref="Clipping"/>.</summary>
internal interface IClippingKernel
{
    void ByDivergence(VectorView<double> products, VectorView<double> learningRate, double clip, VectorView<float> factor);

    void Apply(VectorView<float> factor, MatrixView<float> y);
}
