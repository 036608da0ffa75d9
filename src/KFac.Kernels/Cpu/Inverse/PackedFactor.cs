namespace KFac.Kernels.Cpu;

/// <summary>Where the parts of a <see cref="CholeskySolve"/> factor lie.</summary>
/// <param name="n">Rows of the matrix.</param>
/// <param name="memory"><see cref="CholeskySolve.FactorLength"/> elements.</param>
internal readonly unsafe struct PackedFactor(int n, float* memory)
{
    private const int SquareLength = CholeskySolve.Block * CholeskySolve.Block;

    /// <summary>Rows of the matrix.</summary>
    public int Size { get; } = n;

    /// <summary>Block columns.</summary>
    public int Blocks { get; } = (n + CholeskySolve.Block - 1) / CholeskySolve.Block;

    /// <summary>Rows with padding.</summary>
    public int Rows => Blocks * CholeskySolve.Block;

    /// <summary>Block column j of Lᵀ: its rows above the diagonal block, then <c>D_jᵀ</c>, rows of <see cref="CholeskySolve.Block"/> elements.</summary>
    public float* Forward(int block) => memory + ((long)block * (block + 1) / 2 * SquareLength);

    /// <summary>Block column j of L: <c>D_j</c>, then its rows below the diagonal block.</summary>
    public float* Backward(int block)
    {
        long before = (long)block * Blocks - ((long)block * (block - 1) / 2);
        return Forward(Blocks) + (before * SquareLength);
    }
}
