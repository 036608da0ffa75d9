namespace KFac.Kernels;

/// <summary>How a device is opened.</summary>
public sealed record DeviceOptions
{
    /// <summary>Name of the environment variable that gives the number of threads where <see cref="Threads"/> is null.</summary>
    public const string ThreadsVariable = "KFAC_NUM_THREADS";

    /// <summary>Name of the environment variable that, set to 0 or 1, stands for <see cref="Warpgroups"/> where that is null.</summary>
    internal const string WarpgroupsVariable = "KFAC_WARPGROUPS";

    private const long SmallestMemoryLimit = 1 << 20;

    /// <summary>Threads of the CPU device, the caller's included; null takes <see cref="ThreadsVariable"/>, else every core.</summary>
    public int? Threads { get; init; }

    /// <summary>The widest vector instructions that the CPU device may use. Narrower ones serve tests and comparisons.</summary>
    public VectorWidth MaxVectorWidth { get; init; } = VectorWidth.Widest;

    /// <summary>How a GPU computes products of matrices; the CPU always computes in float32.</summary>
    public MatrixPrecision Precision { get; init; } = MatrixPrecision.Float32;

    /// <summary>Whether large products in float32 and TF32 take Hopper's warpgroup instructions and bulk copies, where the GPU has them; null
    /// takes <see cref="WarpgroupsVariable"/>, else yes: by count nothing else comes near the rate of Hopper's tensor cores.</summary>
    internal bool? Warpgroups { get; init; }

    /// <summary>Most bytes of GPU memory that the device may hold; null for no bound but the GPU's own. Beyond it allocations
    /// throw <see cref="DeviceOutOfMemoryException"/>. The CPU has no bound.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>Whether a GPU is given work that repeats, such as a training step, as a graph that was recorded once. The bits are the
    /// same without, which serves tests and comparisons.</summary>
    public bool Graphs { get; init; } = true;

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

        if (!Enum.IsDefined(Precision))
        {
            throw new ArgumentException($"Precision is {(int)Precision}; wanted one of {string.Join(", ", Enum.GetNames<MatrixPrecision>())}.");
        }

        if (MemoryLimit is < SmallestMemoryLimit)
        {
            throw new ArgumentException($"MemoryLimit is {MemoryLimit} bytes; wanted at least {SmallestMemoryLimit}.");
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

/// <summary>How a GPU computes products of matrices (<see cref="Gemm"/>, <see cref="Gram"/> and what is built on them). Sums are
/// always float32. u is the unit roundoff of the factors: the error of an inner product is at most about <c>2u·Σ|aᵢbᵢ|</c> more
/// than that of its float32 sum.</summary>
public enum MatrixPrecision
{
    /// <summary>As accurate as float32: each factor is split into two of 11 bits, and three tensor-core products are added
    /// (u = 2⁻²²).</summary>
    Float32,

    /// <summary>Factors rounded to 11 bits (TF32), one tensor-core product (u = 2⁻¹¹).</summary>
    Tf32,

    /// <summary>Factors rounded to 8 bits (bfloat16), one tensor-core product (u = 2⁻⁸).</summary>
    Bfloat16,

    /// <summary>Fused multiply-adds in float32 without tensor cores: the slowest, for comparison.</summary>
    Fma,
}
