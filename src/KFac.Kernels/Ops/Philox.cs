namespace KFac.Kernels;

/// <summary>Names an independent sequence of random numbers.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Sequence">What the numbers are for: layer, purpose, worker.</param>
public readonly record struct PhiloxKey(ulong Seed, ulong Sequence);

/// <summary>A key that may be completed by a number on the device, read when the random numbers are drawn: recorded work that is replayed
/// then draws others, once another number has been put there.</summary>
/// <param name="Key">What is known when the work is given.</param>
/// <param name="Sequence">[1]: exclusive-ored to the key's sequence; or none, for the key as it is.</param>
public readonly record struct DeviceKey(PhiloxKey Key, VectorView<ulong> Sequence)
{
    /// <summary>The key as it is.</summary>
    public static implicit operator DeviceKey(PhiloxKey key) => FromPhiloxKey(key);

    /// <summary>The key as it is.</summary>
    public static DeviceKey FromPhiloxKey(PhiloxKey key) => new(key, default);

    /// <summary>The key that numbers are drawn with, where the device's memory is the processor's.</summary>
    internal unsafe PhiloxKey OnHost() => Sequence.IsEmpty ? Key : Key with { Sequence = Key.Sequence ^ *Sequence.Pointer };
}

/// <summary>Counter-based random numbers, Philox4×32-10 (Salmon et al. 2011): the same bits on every device.</summary>
/// <remarks>Block b of a key has the counter <c>(low b, high b, low Sequence, high Sequence)</c> and the key
/// <c>(low Seed, high Seed)</c>, and yields four 32-bit words; number i of a sequence is word <c>i mod 4</c> of block <c>i / 4</c>.</remarks>
public static class Philox
{
    /// <summary>Largest error of <see cref="Normal"/> against Box-Muller in exact arithmetic, 2⁻²⁰.</summary>
    public const float NormalError = 1f / (1 << 20);

    /// <summary><c>y[i] = (word[offset + i] &gt;&gt; 8)·2⁻²⁴</c>, uniform on [0, 1).</summary>
    public static void Uniform(DeviceStream stream, DeviceKey key, ulong offset, VectorView<float> y)
    {
        IPhiloxKernel kernel = Check.Kernel(stream, static table => table.Philox, nameof(Philox));
        Check.View(stream, y, nameof(y));
        Check.Key(stream, key);
        kernel.Uniform(key, offset, y);
    }

    /// <summary>Standard normal numbers by Box-Muller: with u = <see cref="Uniform"/>'s numbers 2j and 2j+1, normal numbers 2j and
    /// 2j+1 are <c>√(−2 ln(1 − u[2j]))</c> times the cosine and the sine of <c>2π·u[2j+1]</c>.</summary>
    /// <remarks>Made of float32 additions, multiplications and square roots in a fixed order, none of them fused, so a number has
    /// the same bits on every device. At most √(48 ln 2) ≈ 5.77 in magnitude.</remarks>
    /// <param name="offset">Number of the sequence that <c>y[0]</c> is; even.</param>
    public static void Normal(DeviceStream stream, DeviceKey key, ulong offset, VectorView<float> y)
    {
        IPhiloxKernel kernel = Check.Kernel(stream, static table => table.Philox, nameof(Philox));
        Check.View(stream, y, nameof(y));
        Check.Key(stream, key);
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
    void Uniform(DeviceKey key, ulong offset, VectorView<float> y);

    void Normal(DeviceKey key, ulong offset, VectorView<float> y);
}
