namespace KFac.Kernels;

/// <summary>Names an independent sequence of random numbers.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Sequence">What the numbers are for: layer, purpose, worker.</param>
public readonly record struct PhiloxKey(ulong Seed, ulong Sequence);

/// <summary>Counter-based random numbers, Philox4×32-10 (Salmon et al. 2011): the same bits on every device.</summary>
/// <remarks>Block b of a key has the counter <c>(low b, high b, low Sequence, high Sequence)</c> and the key
/// <c>(low Seed, high Seed)</c>, and yields four 32-bit words; number i of a sequence is word <c>i mod 4</c> of block <c>i / 4</c>.</remarks>
public static class Philox
{
    /// <summary><c>y[i] = (word[offset + i] &gt;&gt; 8)·2⁻²⁴</c>, uniform on [0, 1).</summary>
    public static void Uniform(DeviceStream stream, PhiloxKey key, ulong offset, VectorView<float> y)
    {
        IPhiloxKernel kernel = Check.Kernel(stream, static table => table.Philox, nameof(Philox));
        Check.View(stream, y, nameof(y));
        kernel.Uniform(key, offset, y);
    }

    /// <summary>Standard normal numbers by Box-Muller: numbers 2j and 2j+1 of the sequence make y[2j] and y[2j+1].</summary>
    /// <param name="offset">Even.</param>
    public static void Normal(DeviceStream stream, PhiloxKey key, ulong offset, VectorView<float> y)
    {
        IPhiloxKernel kernel = Check.Kernel(stream, static table => table.Philox, nameof(Philox));
        Check.View(stream, y, nameof(y));
        if (offset % 2 != 0)
        {
            throw new ArgumentException($"The offset of normal numbers is {offset}; wanted an even number.", nameof(offset));
        }

        kernel.Normal(key, offset, y);
    }
}

/// <summary>A device's implementation of <see cref="Philox"/>.</summary>
internal interface IPhiloxKernel
{
    void Uniform(PhiloxKey key, ulong offset, VectorView<float> y);

    void Normal(PhiloxKey key, ulong offset, VectorView<float> y);
}
