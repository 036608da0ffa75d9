namespace KFac.Kernels;

/// <summary>How a device is opened.</summary>
public sealed record DeviceOptions
{
    /// <summary>Name of the environment variable that gives the number of threads where <see cref="Threads"/> is null.</summary>
    public const string ThreadsVariable = "KFAC_NUM_THREADS";

    /// <summary>Threads of the CPU device, the caller's included; null takes <see cref="ThreadsVariable"/>, else every core.</summary>
    public int? Threads { get; init; }

    /// <summary>The widest vector instructions that the CPU device may use. Narrower ones serve tests and comparisons.</summary>
    public VectorWidth MaxVectorWidth { get; init; } = VectorWidth.Widest;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        if (Threads is < 1 or > 1024)
        {
            throw new ArgumentException($"Threads is {Threads}; wanted 1 to 1024.");
        }

        if (!Enum.IsDefined(MaxVectorWidth))
        {
            throw new ArgumentException($"MaxVectorWidth is {(int)MaxVectorWidth}; wanted one of {string.Join(", ", Enum.GetNames<VectorWidth>())}.");
        }
    }
}

/// <summary>Vector instructions of the CPU device.</summary>
public enum VectorWidth
{
    /// <summary>128-bit vectors, no fused multiply-add assumed.</summary>
    Portable,

    /// <summary>256-bit vectors with fused multiply-add (AVX2 and FMA).</summary>
    Avx2,

    /// <summary>512-bit vectors (AVX-512).</summary>
    Avx512,

    /// <summary>The widest that the processor has.</summary>
    Widest,
}
