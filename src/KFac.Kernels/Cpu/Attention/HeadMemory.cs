namespace KFac.Kernels.Cpu;

/// <summary>Where the matrices of one head of one sequence lie in a task's scratch memory: rows without gaps, padded to whole vectors.</summary>
/// <param name="start">At a 64-byte boundary; null to count only.</param>
/// <param name="vector">Elements in a vector, a multiple of <paramref name="tileRows"/>.</param>
/// <param name="tileRows">Rows that are computed at a time.</param>
internal readonly unsafe struct HeadMemory(float* start, AttentionShape shape, int vector, int tileRows)
{
    /// <summary>Elements from a row to the next of what has a column for each key.</summary>
    public int KeyStride { get; } = RoundUp(shape.Keys, vector);

    /// <summary>Elements from a row to the next of queries, keys and their gradients.</summary>
    public int Width { get; } = RoundUp(shape.KeyWidth, vector);

    /// <summary>Elements from a row to the next of values, outputs and their gradients.</summary>
    public int ValueWidth { get; } = RoundUp(shape.ValueWidth, vector);

    /// <summary>Kᵀ, [d, keys].</summary>
    public float* KeysTransposed => start;

    /// <summary>Vᵀ, [width, keys].</summary>
    public float* ValuesTransposed => KeysTransposed + ((long)shape.KeyWidth * KeyStride);

    /// <summary>K, [keys, d].</summary>
    public float* Keys => ValuesTransposed + ((long)shape.ValueWidth * KeyStride);

    /// <summary>Q, [queries, d].</summary>
    public float* Queries => Keys + ((long)shape.Keys * Width);

    /// <summary>∂O, [queries, width].</summary>
    public float* OutputGradients => Queries + ((long)QueryRows * Width);

    /// <summary>P, [queries, keys].</summary>
    public float* Weights => OutputGradients + ((long)QueryRows * ValueWidth);

    /// <summary>∂S, [queries, keys].</summary>
    public float* ScoreGradients => Weights + ((long)QueryRows * KeyStride);

    /// <summary>A few rows of results before they go where they belong.</summary>
    public float* Results => ScoreGradients + ((long)QueryRows * KeyStride);

    /// <summary>Bytes from the start to the end.</summary>
    public long Bytes => (Results - start + ((long)tileRows * Math.Max(Width, ValueWidth))) * sizeof(float);

    private int QueryRows => RoundUp(shape.Queries, tileRows);

    private static int RoundUp(int count, int unit) => (count + unit - 1) / unit * unit;
}
