using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Each factor inverted on its own, through Cholesky: factored, per-factor and input-only damping.</summary>
/// <remarks>
/// A slot is one factor: A of every layer, and B unless the style is input-only. A diagonal B is a slot in any style, without a
/// matrix: it is taken as it is, and fails only if it is not finite. Inverses are written to spare matrices and
/// swapped in when they are good, so a failure leaves the last good one in use. Factors that fail are tried again
/// together: in float64, then with damping increased tenfold a bounded number of times.
/// <para>A factor that is given by few rows is inverted, retried and kept alike, as the small matrix of its rows
/// (<see cref="DualSlots"/>), unless λ is too small beside it; then the factor is formed.</para>
/// </remarks>
internal sealed class FactorInverses : KroneckerInverses
{
    /// <summary>First damping of a factor that fails with none, relative to its mean eigenvalue: about one rounding.</summary>
    private const double SmallestRelativeDamping = 1e-7;

    private readonly FactorSlots _slots;
    private readonly DiagonalFactor?[] _diagonals;
    private readonly MatrixView<float>[] _inverses;
    private readonly MatrixView<float>[] _spares;
    private readonly bool[] _swapped;
    private readonly long[] _isGood;
    private readonly double[] _dampings;
    private readonly TraceReader _traces;
    private readonly DampedInverseItem[] _items;
    private readonly int[] _pending;
    private readonly VectorView<int> _status;
    private readonly int[] _hostStatus;
    private readonly VectorView<float> _scratch;
    private readonly MatrixView<float>[] _formed;
    private readonly DualSlots _dual;
    private VectorView<float> _innerProducts;

    public FactorInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
        : base(stream, layers, options)
    {
        _slots = new FactorSlots(layers, options.Style);
        int slots = _slots.Count;
        _diagonals = new DiagonalFactor?[slots];
        _inverses = new MatrixView<float>[slots];
        _spares = new MatrixView<float>[slots];
        _swapped = new bool[slots];
        _isGood = new long[slots];
        _dampings = new double[slots];
        _items = new DampedInverseItem[slots];
        _pending = new int[slots];
        _hostStatus = new int[slots];
        _traces = new TraceReader(stream, Arena, slots);
        _status = Arena.Vector<int>(slots);
        _scratch = Arena.Vector<float>(Math.Max(LargestGradient(layers), LargestRows()));
        _formed = new MatrixView<float>[slots];
        _dual = new DualSlots(stream, [.. Enumerable.Range(0, slots).Select(_slots.WidthOf)]);
        for (int slot = 0; slot < slots; slot++)
        {
            int width = _slots.WidthOf(slot);
            if (_slots.IsDiagonal(slot))
            {
                _diagonals[slot] = new DiagonalFactor(stream, Arena, width, layers[_slots.LayerOf(slot)].FactorInputWidth);
                continue;
            }

            _inverses[slot] = Arena.Matrix<float>(width, width);
            _spares[slot] = Arena.Matrix<float>(width, width);
            Elementwise.Fill(stream, 0, _inverses[slot]);
        }
    }

    internal override ulong? Mark
    {
        get
        {
            ulong mark = 0;
            for (int slot = 0; slot < _inverses.Length; slot++)
            {
                if (_dual.IsInUse(slot))
                {
                    return null;
                }

                mark = StepRecorder.Mix(mark, _diagonals[slot]?.Mark ?? (_swapped[slot] ? 1UL : 0));
            }

            return mark;
        }
    }

    private protected override void UpdateCore(ReadOnlySpan<KroneckerPair> factors)
    {
        SetDampings(factors);
        int pending = 0;
        for (int slot = 0; slot < _inverses.Length; slot++)
        {
            if (_diagonals[slot] is { } diagonal)
            {
                InvertDiagonal(slot, diagonal, factors[_slots.LayerOf(slot)].B);
            }
            else if (double.IsFinite(_traces.MeanOf(slot)))
            {
                _pending[pending++] = slot;
            }
            else
            {
                GiveUp(slot);
            }
        }

        pending = Attempt(factors, pending, InversePrecision.Single);
        RecordPending(pending, NumericalEventKind.RetriedInDouble);
        pending = Attempt(factors, pending, InversePrecision.Double);
        for (int increase = 0; increase < Options.DampingIncreases && pending > 0; increase++)
        {
            IncreaseDampings(pending);
            RecordPending(pending, NumericalEventKind.DampingIncreased);
            pending = Attempt(factors, pending, InversePrecision.Double);
        }

        for (int i = 0; i < pending; i++)
        {
            GiveUp(_pending[i]);
        }
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
        for (int slot = 0; slot < _inverses.Length; slot++)
        {
            string name = $"{(_slots.IsA(slot) ? "a" : "b")}.{Layers[_slots.LayerOf(slot)].Name}";
            visitor.Integer($"inverses.good.{name}", ref _isGood[slot]);
            if (_diagonals[slot] is { } diagonal)
            {
                diagonal.VisitState(visitor, $"inverses.{name}");
                continue;
            }

            visitor.Vector($"inverses.{name}", _inverses[slot].AsVector());
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

        bool isLeft = side == MatrixSide.Left;
        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, isLeft ? _inverses[slot] : v, isLeft ? v : _inverses[slot], 0, result);
    }

    private FactorRows RowsOf(ReadOnlySpan<KroneckerPair> factors, int slot) =>
        _slots.IsA(slot) ? factors[_slots.LayerOf(slot)].RowsOfA : factors[_slots.LayerOf(slot)].RowsOfB;

    /// <summary>What is inverted for a slot: the small matrix of its rows, the factor that they have been formed to, or the factor.</summary>
    private MatrixView<float> FactorOf(ReadOnlySpan<KroneckerPair> factors, int slot)
    {
        if (_dual.IsPending(slot))
        {
            return _dual.Pending(slot).Gram;
        }

        MatrixView<float> matrix = _slots.IsA(slot) ? factors[_slots.LayerOf(slot)].A : factors[_slots.LayerOf(slot)].B;
        return RowsOf(factors, slot).AreGiven ? _formed[slot] : matrix;
    }

    /// <summary>Forms the factors of the slots whose damping is too small for the dual system.</summary>
    private void FormWhereInaccurate(int slot)
    {
        int width = _slots.WidthOf(slot);
        if (!_dual.IsPending(slot) || DualCost.IsAccurate(width * _traces.MeanOf(slot), _dampings[slot]))
        {
            return;
        }

        if (_formed[slot].IsEmpty)
        {
            _formed[slot] = Arena.Matrix<float>(width, width);
        }

        _dual.Pending(slot).Form(_formed[slot]);
        _dual.Leave(slot);
    }

    private void SetDampings(ReadOnlySpan<KroneckerPair> factors)
    {
        for (int slot = 0; slot < _inverses.Length; slot++)
        {
            if (_slots.IsDiagonal(slot))
            {
                _traces.MeasureDiagonal(slot, factors[_slots.LayerOf(slot)].B);
                continue;
            }

            _dual.Load(slot, RowsOf(factors, slot));
            _traces.Measure(slot, FactorOf(factors, slot), _slots.WidthOf(slot));
        }

        _traces.Read();
        for (int layer = 0; layer < Layers.Count; layer++)
        {
            int slot = _slots.OfA(layer);
            bool hasB = _slots.HasB(layer);
            DampingStyle style = Options.Style == DampingStyle.InputOnly && hasB ? DampingStyle.PerFactor : Options.Style;
            FactorDamping damping = FactorDamping.Split(
                style, Options.Damping, _traces.MeanOf(slot), hasB ? _traces.MeanOf(slot + 1) : 0);
            _dampings[slot] = damping.A;
            if (hasB)
            {
                _dampings[slot + 1] = damping.B;
            }
        }

        for (int slot = 0; slot < _inverses.Length; slot++)
        {
            FormWhereInaccurate(slot);
        }
    }

    /// <summary>Takes a diagonal factor; one with zeros, undamped, is damped by about one rounding.</summary>
    private void InvertDiagonal(int slot, DiagonalFactor diagonal, MatrixView<float> factor)
    {
        double mean = _traces.MeanOf(slot);
        if (double.IsFinite(mean) && !diagonal.CanInvert(factor, _dampings[slot]))
        {
            _dampings[slot] = SmallestRelativeDamping * mean;
            Record(_slots.LayerOf(slot), "B", NumericalEventKind.DampingIncreased);
        }

        if (double.IsFinite(mean) && diagonal.CanInvert(factor, _dampings[slot]))
        {
            diagonal.Accept(factor, _dampings[slot]);
            _isGood[slot] = 1;
        }
        else
        {
            GiveUp(slot);
        }
    }

    /// <summary>Inverts the pending slots together; keeps those that fail at the front of the list and returns their number.</summary>
    private int Attempt(ReadOnlySpan<KroneckerPair> factors, int pending, InversePrecision precision)
    {
        if (pending == 0)
        {
            return 0;
        }

        for (int i = 0; i < pending; i++)
        {
            int slot = _pending[i];
            MatrixView<float> inverse = _dual.IsPending(slot) ? _dual.Pending(slot).Inverse : _spares[slot];
            _items[i] = new DampedInverseItem(FactorOf(factors, slot), (float)_dampings[slot], inverse);
        }

        DampedInverse.Run(Stream, _items.AsSpan(0, pending), _status.Slice(0, pending), precision);
        Stream.Download(_status.Slice(0, pending), _hostStatus.AsSpan(0, pending));
        int failed = 0;
        for (int i = 0; i < pending; i++)
        {
            int slot = _pending[i];
            if (_hostStatus[i] == 0)
            {
                if (!_dual.Accept(slot, _dampings[slot]))
                {
                    (_inverses[slot], _spares[slot]) = (_spares[slot], _inverses[slot]);
                    _swapped[slot] ^= true;
                }

                _isGood[slot] = 1;
            }
            else
            {
                _pending[failed++] = slot;
            }
        }

        return failed;
    }

    private void IncreaseDampings(int pending)
    {
        for (int i = 0; i < pending; i++)
        {
            int slot = _pending[i];
            double increased = Math.Max(10 * _dampings[slot], SmallestRelativeDamping * _traces.MeanOf(slot));
            _dampings[slot] = Math.Min(increased, float.MaxValue);
        }
    }

    private void RecordPending(int pending, NumericalEventKind kind)
    {
        for (int i = 0; i < pending; i++)
        {
            Record(_slots.LayerOf(_pending[i]), _slots.IsA(_pending[i]) ? "A" : "B", kind);
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
            diagonal.StandIn(_traces.MeanOf(slot) + _dampings[slot]);
        }
        else if (!keep)
        {
            double scale = 1 / (_traces.MeanOf(slot) + _dampings[slot]);
            ScaledIdentity.Write(Stream, double.IsFinite(scale) ? (float)scale : 0, _inverses[slot]);
        }
    }
}
