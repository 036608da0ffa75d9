using KFac.Kernels;

namespace KFac.Engine;

/// <summary>What is inverted for each slot of <see cref="FactorInverses"/>, and with which damping.</summary>
/// <remarks>That is the factor as it is given; for one given by rows the small matrix of these, or where λ is too small beside it the
/// factor that they make.</remarks>
internal sealed class SlotFactors(
    DeviceStream stream, Arena arena, IReadOnlyList<KroneckerLayer> layers, FactorSlots slots, DualSlots dual, InverseOptions options)
{
    /// <summary>First damping of a factor that fails with none, relative to its mean eigenvalue: about one rounding.</summary>
    private const double SmallestRelativeDamping = 1e-7;

    private readonly TraceReader _traces = new(stream, arena, slots.Count);
    private readonly MatrixView<float>[] _formed = new MatrixView<float>[slots.Count];

    /// <summary>By slot, λ.</summary>
    public double[] Dampings { get; } = new double[slots.Count];

    /// <summary>The mean eigenvalue of the slot's factor.</summary>
    public double MeanOf(int slot) => _traces.MeanOf(slot);

    /// <summary>Takes the factors of an update: measures them, and divides λ between those of a layer.</summary>
    public void Load(ReadOnlySpan<KroneckerPair> factors)
    {
        for (int slot = 0; slot < slots.Count; slot++)
        {
            if (slots.IsDiagonal(slot))
            {
                _traces.MeasureDiagonal(slot, factors[slots.LayerOf(slot)].B);
                continue;
            }

            dual.Load(slot, RowsOf(factors, slot));
            _traces.Measure(slot, MatrixOf(factors, slot), slots.WidthOf(slot));
        }

        _traces.Read();
        for (int layer = 0; layer < layers.Count; layer++)
        {
            SplitDamping(layer);
        }

        for (int slot = 0; slot < slots.Count; slot++)
        {
            FormWhereInaccurate(slot);
        }
    }

    /// <summary>The matrix to be inverted for a slot that is not a diagonal.</summary>
    public MatrixView<float> MatrixOf(ReadOnlySpan<KroneckerPair> factors, int slot)
    {
        if (dual.IsPending(slot))
        {
            return dual.Pending(slot).Gram;
        }

        MatrixView<float> matrix = slots.IsA(slot) ? factors[slots.LayerOf(slot)].A : factors[slots.LayerOf(slot)].B;
        return RowsOf(factors, slot).AreGiven ? _formed[slot] : matrix;
    }

    /// <summary>Damps a factor that has failed with none by about one rounding.</summary>
    public void Damp(int slot) => Dampings[slot] = SmallestRelativeDamping * MeanOf(slot);

    /// <summary>Increases the damping of a factor that has failed tenfold, or to about one rounding.</summary>
    public void IncreaseDamping(int slot)
    {
        double increased = Math.Max(10 * Dampings[slot], SmallestRelativeDamping * MeanOf(slot));
        Dampings[slot] = Math.Min(increased, float.MaxValue);
    }

    private FactorRows RowsOf(ReadOnlySpan<KroneckerPair> factors, int slot) =>
        slots.IsA(slot) ? factors[slots.LayerOf(slot)].RowsOfA : factors[slots.LayerOf(slot)].RowsOfB;

    private void SplitDamping(int layer)
    {
        int slot = slots.OfA(layer);
        bool hasB = slots.HasB(layer);
        DampingStyle style = options.Style == DampingStyle.InputOnly && hasB ? DampingStyle.PerFactor : options.Style;
        FactorDamping damping = FactorDamping.Split(style, options.Damping, MeanOf(slot), hasB ? MeanOf(slot + 1) : 0);
        Dampings[slot] = damping.A;
        if (hasB)
        {
            Dampings[slot + 1] = damping.B;
        }
    }

    /// <summary>Forms the factor of a slot whose damping is too small for the dual system.</summary>
    private void FormWhereInaccurate(int slot)
    {
        int width = slots.WidthOf(slot);
        if (!dual.IsPending(slot) || DualCost.IsAccurate(width * MeanOf(slot), Dampings[slot]))
        {
            return;
        }

        if (_formed[slot].IsEmpty)
        {
            _formed[slot] = arena.Matrix<float>(width, width);
        }

        dual.Pending(slot).Form(_formed[slot]);
        dual.Leave(slot);
    }
}
