using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Each factor inverted on its own, through Cholesky: factored, per-factor and input-only damping.</summary>
/// <remarks>
/// A slot is one factor: A of every layer, and B unless the style is input-only. A diagonal B is a slot in any style, without a
/// matrix: it is taken as it is, and fails only if it is not finite. Inverses are written to spare matrices and
/// swapped in when they are good, so a failure leaves the last good one in use. Factors that fail are tried again
/// together: in float64, then with damping increased tenfold a bounded number of times.
/// <para>Where few vectors will meet an inverse before the next update, its Cholesky factor stands for it (<see cref="MatrixSlots"/>,
/// <see cref="SolveCost"/>).</para>
/// <para>A factor that is given by few rows is inverted, retried and kept alike, as the small matrix of its rows
/// (<see cref="DualSlots"/>), unless λ is too small beside it; then the factor is formed.</para>
/// </remarks>
internal sealed class FactorInverses : KroneckerInverses
{
    private readonly FactorSlots _slots;
    private readonly SlotFactors _factors;
    private readonly SlotInverses _inverses;
    private readonly SlotInversion _inversion;
    private readonly long[] _isGood;
    private readonly VectorView<float> _scratch;
    private readonly SolveBatch _solves;

    public FactorInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
        : base(stream, layers, options)
    {
        _slots = new FactorSlots(layers, options.Style);
        int slots = _slots.Count;
        _isGood = new long[slots];
        _scratch = Arena.Vector<float>(Math.Max(LargestGradient(layers), LargestRows()));
        _solves = new SolveBatch(stream);
        _inverses = new SlotInverses(stream, Arena, layers, _slots, options);
        _factors = new SlotFactors(stream, Arena, layers, _slots, _inverses.Dual, options);
        _inversion = new SlotInversion(stream, Arena, _inverses.Matrices, _inverses.Dual, _factors.Dampings, _isGood);
    }

    internal override ulong? Mark => _inverses.Mark;

    internal override bool PreconditionsRows => true;

    private protected override void UpdateCore(ReadOnlySpan<KroneckerPair> factors, ReadOnlySpan<int> rows)
    {
        _factors.Load(factors);
        _inverses.ChooseForms(rows);
        _inversion.Clear();
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            if (_inverses.DiagonalOf(slot) is { } diagonal)
            {
                InvertDiagonal(slot, diagonal, factors[_slots.LayerOf(slot)].B);
            }
            else if (double.IsFinite(_factors.MeanOf(slot)))
            {
                _inversion.Add(slot, _factors.MatrixOf(factors, slot));
            }
            else
            {
                GiveUp(slot);
            }
        }

        Invert();
    }

    private protected override void ApplyCore(int layer, MatrixView<float> gradient, MatrixView<float> update)
    {
        int slot = _slots.OfA(layer);
        MatrixView<float> left = gradient;
        if (_slots.HasB(layer))
        {
            left = MatrixIn(_scratch, gradient.Rows, gradient.Columns);
            _inverses.Multiply(MatrixSide.Left, slot + 1, gradient, left);
        }

        _inverses.Multiply(MatrixSide.Right, slot, left, update);
    }

    private protected override void ApplyRowsCore(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, float scale, MatrixView<float> update)
    {
        (int rows, int outputs) = (inputs.Rows, outputGradients.Columns);
        MatrixView<float> right = MatrixIn(_scratch, rows, inputs.Columns);
        MatrixView<float> left = _scratch.Slice(rows * inputs.Columns, rows * outputs).AsMatrix(rows, outputs);
        left = PreconditionRowsCore(layer, outputGradients, inputs, left, right, _solves);
        _solves.Run();
        Gemm.Run(Stream, Transpose.Yes, Transpose.No, scale, left, right, 0, update);
    }

    private protected override MatrixView<float> PreconditionRowsCore(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, MatrixView<float> left, MatrixView<float> right, SolveBatch solves)
    {
        int slot = _slots.OfA(layer);
        _inverses.Multiply(MatrixSide.Right, slot, inputs, right, solves);
        if (!_slots.HasB(layer))
        {
            return outputGradients;
        }

        _inverses.Multiply(MatrixSide.Right, slot + 1, outputGradients, left, solves);
        return left;
    }

    private protected override void VisitInverses(IStateVisitor visitor)
    {
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            string name = $"{(_slots.IsA(slot) ? "a" : "b")}.{Layers[_slots.LayerOf(slot)].Name}";
            visitor.Integer($"inverses.good.{name}", ref _isGood[slot]);
            _inverses.VisitState(slot, visitor, name);
        }
    }

    private protected override void DisposeCore() => _inverses.Dispose();

    /// <summary>Inverts, and tries again what failed.</summary>
    private void Invert()
    {
        _inversion.Run(InversePrecision.Single);
        RecordPending(NumericalEventKind.RetriedInDouble);
        _inversion.Run(InversePrecision.Double);
        for (int increase = 0; increase < Options.DampingIncreases && _inversion.Pending.Length > 0; increase++)
        {
            foreach (int slot in _inversion.Pending)
            {
                _factors.IncreaseDamping(slot);
            }

            RecordPending(NumericalEventKind.DampingIncreased);
            _inversion.Run(InversePrecision.Double);
        }

        foreach (int slot in _inversion.Pending)
        {
            GiveUp(slot);
        }
    }

    /// <summary>Takes a diagonal factor; one with zeros, undamped, is damped by about one rounding.</summary>
    private void InvertDiagonal(int slot, DiagonalFactor diagonal, MatrixView<float> factor)
    {
        double mean = _factors.MeanOf(slot);
        if (double.IsFinite(mean) && !diagonal.CanInvert(factor, _factors.Dampings[slot]))
        {
            _factors.Damp(slot);
            Record(_slots.LayerOf(slot), "B", NumericalEventKind.DampingIncreased);
        }

        if (double.IsFinite(mean) && diagonal.CanInvert(factor, _factors.Dampings[slot]))
        {
            diagonal.Accept(factor, _factors.Dampings[slot]);
            _isGood[slot] = 1;
        }
        else
        {
            GiveUp(slot);
        }
    }

    private void RecordPending(NumericalEventKind kind)
    {
        foreach (int slot in _inversion.Pending)
        {
            Record(_slots.LayerOf(slot), _slots.IsA(slot) ? "A" : "B", kind);
        }
    }

    /// <summary>Keeps the last good inverse, or without one <c>I/(tr/n + λ)</c>.</summary>
    private void GiveUp(int slot)
    {
        bool keep = _isGood[slot] != 0;
        Record(
            _slots.LayerOf(slot), _slots.IsA(slot) ? "A" : "B", keep ? NumericalEventKind.KeptLastInverse : NumericalEventKind.UsedScaledIdentity);
        if (!keep)
        {
            _inverses.StandIn(slot, _factors.MeanOf(slot) + _factors.Dampings[slot]);
        }
    }
}
