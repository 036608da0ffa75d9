namespace KFac.Kernels.Cpu;

/// <summary>The products of a step of <see cref="WarmEigen{TTile, TSimd, TVector}"/> whose operands are small against the matrix: in 16-bit
/// fixed point where that is accurate enough, at twice the rate of float32.</summary>
/// <remarks>
/// F and P need few digits, F since what it leaves is of second order anyway. What fixed point adds to V is random and of norm
/// <c><see cref="FixedScale.Noise"/>·‖S‖</c>, so it costs orthogonality, which the next updates correct once it counts. AV, of which R is
/// the difference to a number of its own size, stays in float32. Only AVX-512 has fixed point; 16-bit multiplications of narrower
/// vectors are no faster than float32's.
/// </remarks>
internal readonly unsafe struct WarmProducts<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Columns from which conversion pays.</summary>
    private const int FewestColumns = 96;

    /// <summary>Share of the tolerance for orthogonality that fixed point may use up in a step.</summary>
    private const double NoiseShare = 0.4;

    private readonly ItemThreads _threads;
    private readonly int _rows;
    private readonly ActiveColumns _active;
    private readonly long _stride;
    private readonly void* _panels;

    /// <param name="rows">Rows of V.</param>
    /// <param name="stride">Of F, S and the residuals.</param>
    /// <param name="panels"><see cref="ScratchBytes"/> bytes.</param>
    public WarmProducts(ItemThreads threads, int rows, ActiveColumns active, long stride, void* panels)
    {
        _threads = threads;
        _rows = rows;
        _active = active;
        _stride = stride;
        _panels = panels;
    }

    private int K => _active.Count;

    /// <summary>Whether products are in fixed point.</summary>
    public bool IsFixed => _threads.Device.Vectors == VectorWidth.Avx512 && K >= FewestColumns;

    /// <summary>Whether <see cref="Turn"/> is in fixed point, too, and may then write to V itself.</summary>
    /// <param name="norm">‖Z‖, about.</param>
    /// <param name="tolerance">Of the result's orthogonality.</param>
    public bool IsFixedTurn(double norm, double tolerance) => IsFixed && Math.Sqrt(2) * FixedScale.Noise * norm <= NoiseShare * tolerance;

    public static long ScratchBytes(int rows, int k) => FixedPanels.Bytes(rows, k);

    /// <summary><c>F ← VᵀR</c>.</summary>
    public void Project()
    {
        if (IsFixed)
        {
            var residuals = new FixedPanels(_rows, K, _panels);
            residuals.Convert(_threads, _active.Residuals, _stride);
            FixedCross.Multiply(_threads, _active.Vectors, residuals, _active.F, _stride);
            return;
        }

        var r = new StridedMatrix(_active.Residuals, _stride, 1);
        SymmetricCross<TTile, TSimd, TVector>.Multiply(_threads, _rows, K, _active.Vectors, r, _active.F, _stride);
    }

    /// <summary><c>result ← MᵀM</c> for M of k rows and columns.</summary>
    /// <param name="error">Allowed in the Frobenius norm, but for what only measuring can tell; see <see cref="FixedCross"/>.</param>
    public void Gram(float* matrix, double error, float* result)
    {
        if (IsFixed)
        {
            FixedCross.Gram(_threads, Convert(matrix), error, result, _stride);
            return;
        }

        var x = new StridedMatrix(matrix, _stride, 1);
        SymmetricCross<TTile, TSimd, TVector>.Multiply(_threads, K, K, x, x, result, _stride);
    }

    /// <summary><c>VQ(I + Z)</c>, with <c>Z = X − I</c> in the memory of S, which is lost.</summary>
    /// <param name="result">V itself only where <see cref="IsFixedTurn"/>.</param>
    /// <inheritdoc cref="IsFixedTurn"/>
    public void Turn(ref CloseEigenvalues<TSimd, TVector> close, double norm, double tolerance, float* result, long resultStride)
    {
        if (IsFixedTurn(norm, tolerance))
        {
            close.Apply(_active.S, _stride);
            FixedTurn<TSimd, TVector>.Run(_threads, _rows, _active.Vectors, close, Convert(_active.S), result, resultStride);
            return;
        }

        for (int i = 0; i < K; i++)
        {
            _active.S[(i * _stride) + i] += 1;
        }

        close.Apply(_active.S, _stride);
        _threads.Multiply(_rows, K, K, _active.Vectors, new StridedMatrix(_active.S, _stride, 1), result, resultStride);
    }

    private FixedPanels Convert(float* matrix)
    {
        var panels = new FixedPanels(K, K, _panels);
        panels.Convert(_threads, matrix, _stride);
        return panels;
    }
}
