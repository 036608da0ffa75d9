namespace KFac.Kernels.Cpu;

/// <summary>The workspace of <see cref="WarmEigen{TTile, TSimd, TVector}"/>.</summary>
internal readonly unsafe struct WarmEigenMemory
{
    private const int Blocks = 4;
    private const int Sketches = 5;
    private const int SketchColumns = 16;

    private readonly int _n;

    public WarmEigenMemory(int n, byte* memory)
    {
        _n = n;
        Stride = RowStride(n);
        Matrix = (float*)memory;
        Signs = Matrix + ((1 + Blocks) * n * Stride);
        Selected = Signs + ((1 + Sketches) * (long)n * SketchColumns);
        Shifts = Selected + Stride;
        Sums = Shifts + Stride;
        Values = (double*)(Sums + SumsLength(n));
        Squares = Values + n;
        Sorted = Squares + n;
        Active = (int*)(Sorted + n);
        Source = Active + n;
    }

    /// <summary>Elements between rows: whole vectors, and not a power of two.</summary>
    public long Stride { get; }

    /// <summary>A, both triangles.</summary>
    public float* Matrix { get; }

    /// <summary>Ω, [n, 16].</summary>
    public float* Signs { get; }

    /// <summary>d of the active columns, padded.</summary>
    public float* Selected { get; }

    /// <summary>What second order adds to them, padded.</summary>
    public float* Shifts { get; }

    public float* Sums { get; }

    /// <summary>d, [n].</summary>
    public double* Values { get; }

    /// <summary>Squared norms of the residuals, [n].</summary>
    public double* Squares { get; }

    public double* Sorted { get; }

    /// <summary>Active columns in the order of d.</summary>
    public int* Active { get; }

    /// <summary>Where a column of the result comes from.</summary>
    public int* Source { get; }

    public static long Bytes(int n) =>
        ((((1 + Blocks) * n * RowStride(n)) + ((1L + Sketches) * n * SketchColumns) + (2 * RowStride(n)) + SumsLength(n)) * sizeof(float))
        + (3L * n * sizeof(double)) + (2L * n * sizeof(int));

    /// <summary>An n×n block.</summary>
    public float* Block(int index) => Matrix + ((1 + index) * _n * Stride);

    /// <summary>An [n, 16] block.</summary>
    public float* Sketch(int index) => Signs + ((1 + index) * (long)_n * SketchColumns);

    private static long RowStride(int n) => ((n + 15L) / 16 * 16) + 16;

    private static long SumsLength(int n) => (RayleighResiduals<Simd128, System.Runtime.Intrinsics.Vector128<float>>.ScratchLength(n) + 15) / 16 * 16;
}
