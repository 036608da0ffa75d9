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
    private readonly DiagonalFactor?[] _diagonals;
    private readonly MatrixSlots _matrices;
    private readonly DualSlots _dual;
    private readonly SlotInversion _inversion;
    private readonly long[] _isGood;
    private readonly VectorView<float> _scratch;
    private VectorView<float> _innerProducts;

    public FactorInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
        : base(stream, layers, options)
    {
        _slots = new FactorSlots(layers, options.Style);
        int slots = _slots.Count;
        _diagonals = new DiagonalFactor?[slots];
        _isGood = new long[slots];
        _scratch = Arena.Vector<float>(Math.Max(LargestGradient(layers), LargestRows()));
        _dual = new DualSlots(stream, [.. Enumerable.Range(0, slots).Select(_slots.WidthOf)]);
        _factors = new SlotFactors(stream, Arena, layers, _slots, _dual, options);
        int[] matrixWidths = [.. Enumerable.Range(0, slots).Select(slot => _slots.IsDiagonal(slot) ? 0 : _slots.WidthOf(slot))];
        _matrices = new MatrixSlots(stream, Arena, matrixWidths, options.Uses is not null);
        _inversion = new SlotInversion(stream, Arena, _matrices, _dual, _factors.Dampings, _isGood);
        for (int slot = 0; slot < slots; slot++)
        {
            if (_slots.IsDiagonal(slot))
            {
                int columns = layers[_slots.LayerOf(slot)].FactorInputWidth;
                _diagonals[slot] = new DiagonalFactor(stream, Arena, _slots.WidthOf(slot), columns);
            }
        }
    }

    internal override ulong? Mark
    {
        get
        {
            ulong mark = 0;
            for (int slot = 0; slot < _slots.Count; slot++)
            {
                if (_dual.IsInUse(slot))
                {
                    return null;
                }

                mark = StepRecorder.Mix(mark, _diagonals[slot]?.Mark ?? _matrices.Mark(slot));
            }

            return mark;
        }
    }

    private protected override void UpdateCore(ReadOnlySpan<KroneckerPair> factors, ReadOnlySpan<int> rows)
    {
        _factors.Load(factors);
        ChooseForms(rows);
        _inversion.Clear();
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            if (_diagonals[slot] is { } diagonal)
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
            Multiply(MatrixSide.Left, slot + 1, gradient, left);
        }

        Multiply(MatrixSide.Right, slot, left, update);
    }

    private protected override void ApplyRowsCore(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, float scale, MatrixView<float> update)
    {
        int slot = _slots.OfA(layer);
        (MatrixView<float> left, MatrixView<float> right) = RowsIn(_scratch, layer, outputGradients, inputs);
        Multiply(MatrixSide.Right, slot, inputs, right);
        if (_slots.HasB(layer))
        {
            Multiply(MatrixSide.Right, slot + 1, outputGradients, left);
        }

        Gemm.Run(Stream, Transpose.Yes, Transpose.No, scale, left, right, 0, update);
    }

    /// <summary><c>⟨s·GᵀX, s·LᵀR⟩ = s²·Σ (G·Lᵀ)∘(X·Rᵀ)</c>, of which L and R are still in the scratch memory.</summary>
    private protected override bool TryProductOfRows(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, float scale, VectorView<double> product)
    {
        int rows = inputs.Rows;
        if (_innerProducts.Length < 2 * rows * rows)
        {
            _innerProducts = Arena.Vector<float>(2 * rows * rows);
        }

        (MatrixView<float> left, MatrixView<float> right) = RowsIn(_scratch, layer, outputGradients, inputs);
        MatrixView<float> both = MatrixIn(_innerProducts, 2 * rows, rows);
        (MatrixView<float> ofOutputs, MatrixView<float> ofInputs) = (both.RowRange(0, rows), both.RowRange(rows, rows));
        Gemm.Run(Stream, Transpose.No, Transpose.Yes, scale, outputGradients, left, 0, ofOutputs);
        Gemm.Run(Stream, Transpose.No, Transpose.Yes, scale, inputs, right, 0, ofInputs);
        Reduction.Dot(Stream, ofOutputs, ofInputs, product);
        return true;
    }

    private protected override void VisitInverses(IStateVisitor visitor)
    {
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            string name = $"{(_slots.IsA(slot) ? "a" : "b")}.{Layers[_slots.LayerOf(slot)].Name}";
            visitor.Integer($"inverses.good.{name}", ref _isGood[slot]);
            if (_diagonals[slot] is { } diagonal)
            {
                diagonal.VisitState(visitor, $"inverses.{name}");
                continue;
            }

            _matrices.VisitState(slot, visitor, $"inverses.{name}");
            if (Options.AcceptsRows)
            {
                _dual.VisitState(slot, visitor, $"inverses.dual.{name}");
            }
        }
    }

    private protected override void DisposeCore() => _dual.Dispose();

    /// <summary>Where preconditioned rows lie: <c>L = G·B⁻¹</c>, which is G itself without B, and <c>R = X·A⁻¹</c>.</summary>
    private (MatrixView<float> Left, MatrixView<float> Right) RowsIn(
        VectorView<float> memory, int layer, MatrixView<float> outputGradients, MatrixView<float> inputs)
    {
        (int rows, int outputs) = (inputs.Rows, outputGradients.Columns);
        MatrixView<float> right = MatrixIn(memory, rows, inputs.Columns);
        return (_slots.HasB(layer) ? memory.Slice(rows * inputs.Columns, rows * outputs).AsMatrix(rows, outputs) : outputGradients, right);
    }

    /// <summary>Multiplies by a slot's inverse, <c>(factor + λI)⁻¹·v</c> or <c>v·(factor + λI)⁻¹</c>.</summary>
    private void Multiply(MatrixSide side, int slot, MatrixView<float> v, MatrixView<float> result)
    {
        if (_dual.TryApply(slot, side, v, result))
        {
            return;
        }

        if (_diagonals[slot] is { } diagonal)
        {
            diagonal.Apply(v, result);
            return;
        }

        _matrices.Multiply(slot, side, v, result);
    }

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

    /// <summary>Chooses between inverse and Cholesky factor for each slot, by the vectors that will meet it.</summary>
    /// <param name="rows">By layer, rows that the next gradients have; 0, or none at all, where they are matrices.</param>
    private void ChooseForms(ReadOnlySpan<int> rows)
    {
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            int layer = _slots.LayerOf(slot);
            int vectors = rows.IsEmpty ? 0 : rows[layer];
            if (vectors == 0)
            {
                vectors = _slots.IsA(slot) ? Layers[layer].OutputWidth : Layers[layer].FactorInputWidth;
            }

            _matrices.Choose(slot, Options.Uses ?? 0, vectors);
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

    /// <summary>Keeps the last good inverse, or without one <c>I/(tr/n + λ)</c>; 0 where the trace is not finite, so that the
    /// layer stands still until its factor is usable.</summary>
    private void GiveUp(int slot)
    {
        bool keep = _isGood[slot] != 0;
        Record(
            _slots.LayerOf(slot), _slots.IsA(slot) ? "A" : "B", keep ? NumericalEventKind.KeptLastInverse : NumericalEventKind.UsedScaledIdentity);
        if (!keep && _diagonals[slot] is { } diagonal)
        {
            diagonal.StandIn(_factors.MeanOf(slot) + _factors.Dampings[slot]);
        }
        else if (!keep)
        {
            double scale = 1 / (_factors.MeanOf(slot) + _factors.Dampings[slot]);
            _matrices.StandIn(slot, double.IsFinite(scale) ? (float)scale : 0);
        }
    }
}
