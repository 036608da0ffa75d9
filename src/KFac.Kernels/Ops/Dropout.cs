namespace KFac.Kernels;

/// <summary>Dropout (Srivastava et al. 2014), its mask made of random numbers whenever it is needed and never stored.</summary>
public static class Dropout
{
    /// <summary><c>y = x/(1 − rate)</c> where <c>u ≥ rate</c> and 0 elsewhere, whatever x is there; the backward pass is the same call on gradients.</summary>
    /// <remarks>Element (i, j) of each seed takes the number <c>i·P + j</c> of the key's sequence, as <see cref="Philox.Uniform"/> makes
    /// it. Error: <c>γ(2)·|y|</c>.</remarks>
    /// <param name="key">Names the mask.</param>
    /// <param name="rate">The share that is dropped, from 0 to less than 1.</param>
    /// <param name="seedRows">N: the rows of a seed; all seeds have the same mask.</param>
    /// <param name="x">[S·N, P].</param>
    /// <param name="y">[S·N, P]; may be x.</param>
    public static void Apply(DeviceStream stream, DeviceKey key, float rate, int seedRows, MatrixView<float> x, MatrixView<float> y)
    {
        IDropoutKernel kernel = Check.Kernel(stream, static table => table.Dropout, nameof(Dropout));
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.Key(stream, key);
        Check.Shape(y, x.Rows, x.Columns, nameof(y));
        Check.InPlaceOrApart(y, x, nameof(y), nameof(x));
        ArgumentOutOfRangeException.ThrowIfNegative(seedRows);
        Check.Seeds(x.Rows, seedRows, nameof(x));
        if (!(rate >= 0 && rate < 1))
        {
            throw new ArgumentException($"The dropout rate is {rate}; wanted 0 to less than 1.", nameof(rate));
        }

        kernel.Apply(key, rate, seedRows, x, y);
    }
}

/// <summary>A device's implementation of <see cref="Dropout"/>.</summary>
internal interface IDropoutKernel
{
    void Apply(DeviceKey key, float rate, int seedRows, MatrixView<float> x, MatrixView<float> y);
}
