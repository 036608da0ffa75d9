using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Product damping: both factors diagonalised, <c>(A⊗B + λI)⁻¹</c> applied in their eigenbases.</summary>
/// <remarks>
/// <c>U = Q_B [(Q_Bᵀ ∇W Q_A) / (b·aᵀ + λ)] Q_Aᵀ</c>. Factors are positive semi-definite, so eigenvalues that rounding has
/// made negative count as 0. A factor fails when it is not finite, does not converge, or has an eigenvalue too negative
/// for rounding; more damping would not change its eigenvectors, so the last good basis stays in use at once.
/// <para>A diagonal B has the identity for its basis, and itself for its values.</para>
/// <para>An update starts from the last good basis, where that is of use (<see cref="BasisRestarts"/>).</para>
/// <para>With λ = 0 and factors that are singular to working precision, λ is raised to <c>2⁻²³·max(b)·max(a)</c>, which is
/// an increase of damping and reported as such.</para>
/// </remarks>
internal sealed class EigenbasisInverses : KroneckerInverses
{
    private const double WorkingPrecision = 1.0 / (1 << 23);

    /// <summary>How negative an eigenvalue may be, relative to the largest: far above the roundings of any Gram matrix and
    /// its decomposition, far below what a matrix that is no factor shows.</summary>
    private const float NegativeShare = 0.01f;

    private readonly BasisSlots _bases;
    private readonly BasisRestarts _restarts;
    private readonly long[] _isGood;
    private readonly double[] _dampings;
    private readonly TraceReader _traces;
    private readonly SymmetricEigenItem[] _items;
    private readonly VectorView<int> _status;
    private readonly int[] _hostStatus;
    private readonly EigenWarmStart _warmStart;
    private readonly VectorView<EigenOutcome> _outcomes;
    private readonly EigenOutcome[] _hostOutcomes;
    private readonly VectorView<float> _first;
    private readonly VectorView<float> _second;

    public EigenbasisInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
        : base(stream, layers, options)
    {
        int slots = 2 * layers.Count;
        _bases = new BasisSlots(stream, Arena, layers);
        _restarts = new BasisRestarts(slots);
        _isGood = new long[slots];
        _dampings = new double[layers.Count];
        _items = new SymmetricEigenItem[_bases.DenseSlots.Length];
        _hostStatus = new int[_items.Length];
        _hostOutcomes = new EigenOutcome[_items.Length];
        _warmStart = new EigenWarmStart { KeepBelow = options.KeepBasisBelow };
        _traces = new TraceReader(stream, Arena, slots);
        _status = Arena.Vector<int>(_items.Length);
        _outcomes = Arena.Vector<EigenOutcome>(_items.Length);
        _first = Arena.Vector<float>(Math.Max(LargestGradient(layers), LargestRows()));
        _second = Arena.Vector<float>(LargestGradient(layers));
    }

    internal override ulong? Mark
    {
        get
        {
            ulong mark = _bases.Mark;
            foreach (double damping in _dampings)
            {
                mark = StepRecorder.Mix(mark, BitConverter.SingleToUInt32Bits((float)damping));
            }

            return mark;
        }
    }

    private protected override void UpdateCore(ReadOnlySpan<KroneckerPair> factors, ReadOnlySpan<int> rows)
    {
        for (int item = 0; item < _items.Length; item++)
        {
            int slot = _bases.DenseSlots[item];
            MatrixView<float> factor = BasisSlots.IsA(slot) ? factors[slot / 2].A : factors[slot / 2].B;
            _traces.Measure(slot, factor);
            EigenBasis next = _bases.Pending(slot);
            _items[item] = new SymmetricEigenItem(factor, next.Values, next.Vectors, PreviousOf(slot));
        }

        MeasureDiagonals(factors);
        SymmetricEigen.Run(Stream, _items, _status, _outcomes, _warmStart);
        Stream.Download(_status, _hostStatus);
        Stream.Download(_outcomes, _hostOutcomes);
        _traces.Read();
        _bases.ReadPendingExtremes();
        for (int item = 0; item < _items.Length; item++)
        {
            int slot = _bases.DenseSlots[item];
            NoteOutcome(slot, item);
            if (_hostStatus[item] == 0 && _bases.SmallestOf(slot) >= -NegativeShare * _bases.LargestOf(slot))
            {
                _bases.Accept(slot);
                _isGood[slot] = 1;
            }
            else
            {
                GiveUp(slot);
            }
        }

        AcceptDiagonals(factors);
        Array.Fill(_dampings, Options.Damping);
        if (Options.Damping == 0)
        {
            RaiseDampings();
        }
    }

    private protected override void ApplyCore(int layer, MatrixView<float> gradient, MatrixView<float> update)
    {
        EigenBasis a = _bases.InUse(2 * layer);
        EigenBasis b = _bases.InUse((2 * layer) + 1);
        MatrixView<float> left = MatrixIn(_first, gradient.Rows, gradient.Columns);
        MatrixView<float> both = MatrixIn(_second, gradient.Rows, gradient.Columns);
        if (b.IsIdentity)
        {
            left = gradient;
        }
        else
        {
            Gemm.Run(Stream, Transpose.Yes, Transpose.No, 1, b.Vectors, gradient, 0, left);
        }

        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, left, a.Vectors, 0, both);
        DivideAndReturn(layer, both, update);
    }

    private protected override void ApplyRowsCore(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, float scale, MatrixView<float> update)
    {
        int rows = inputs.Rows;
        MatrixView<float> right = MatrixIn(_first, rows, inputs.Columns);
        MatrixView<float> left = _first.Slice(rows * inputs.Columns, rows * outputGradients.Columns).AsMatrix(rows, outputGradients.Columns);
        MatrixView<float> both = MatrixIn(_second, update.Rows, update.Columns);
        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, inputs, _bases.InUse(2 * layer).Vectors, 0, right);
        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, outputGradients, _bases.InUse((2 * layer) + 1).Vectors, 0, left);
        Gemm.Run(Stream, Transpose.Yes, Transpose.No, scale, left, right, 0, both);
        DivideAndReturn(layer, both, update);
    }

    private protected override void VisitInverses(IStateVisitor visitor)
    {
        for (int slot = 0; slot < _isGood.Length; slot++)
        {
            string name = $"{(BasisSlots.IsA(slot) ? "a" : "b")}.{Layers[slot / 2].Name}";
            visitor.Integer($"bases.good.{name}", ref _isGood[slot]);
            _restarts.VisitState(slot, visitor, name);
            _bases.VisitState(slot, visitor, name);
        }

        for (int layer = 0; layer < _dampings.Length; layer++)
        {
            visitor.Real($"bases.damping.{Layers[layer].Name}", ref _dampings[layer]);
        }
    }

    /// <summary><c>update ← Q_B [both / (b·aᵀ + λ)] Q_Aᵀ</c>; overwrites what it is given.</summary>
    private void DivideAndReturn(int layer, MatrixView<float> both, MatrixView<float> update)
    {
        EigenBasis a = _bases.InUse(2 * layer);
        EigenBasis b = _bases.InUse((2 * layer) + 1);
        MatrixView<float> left = MatrixIn(_first, both.Rows, both.Columns);
        Elementwise.KroneckerDivide(Stream, both, b.Values, a.Values, (float)_dampings[layer], both);
        if (b.IsIdentity)
        {
            left = both;
        }
        else
        {
            Gemm.Run(Stream, Transpose.No, Transpose.No, 1, b.Vectors, both, 0, left);
        }

        Gemm.Run(Stream, Transpose.No, Transpose.Yes, 1, left, a.Vectors, 0, update);
    }

    /// <summary>The basis to start from, or none.</summary>
    private MatrixView<float> PreviousOf(int slot) =>
        Options.WarmStart && _isGood[slot] != 0 && _restarts.IsWarm(slot) ? _bases.InUse(slot).Vectors : default;

    private void NoteOutcome(int slot, int item)
    {
        EigenRoute route = _hostOutcomes[item].Route;
        bool hasFailed = _hostStatus[item] != 0;
        if (route == EigenRoute.FellBack && !hasFailed)
        {
            Record(slot / 2, BasisSlots.IsA(slot) ? "A" : "B", NumericalEventKind.RestartedBasis);
        }

        _restarts.Note(slot, route, hasFailed);
    }

    /// <summary>Keeps the last good basis, or without one takes the identity with every eigenvalue at the mean.</summary>
    private void GiveUp(int slot)
    {
        bool keep = _isGood[slot] != 0;
        Record(slot / 2, BasisSlots.IsA(slot) ? "A" : "B", keep ? NumericalEventKind.KeptLastInverse : NumericalEventKind.UsedScaledIdentity);
        if (!keep)
        {
            _bases.StandIn(slot, _traces.MeanOf(slot));
        }
    }

    /// <summary>Gives damping to the layers whose factors are singular to working precision.</summary>
    private void RaiseDampings()
    {
        _bases.ReadExtremes();
        for (int layer = 0; layer < _dampings.Length; layer++)
        {
            int a = 2 * layer;
            int b = a + 1;
            double floor = WorkingPrecision * _bases.LargestOf(a) * _bases.LargestOf(b);
            if ((double)_bases.SmallestOf(a) * _bases.SmallestOf(b) <= floor)
            {
                Record(layer, "A⊗B", NumericalEventKind.DampingIncreased);
                _dampings[layer] = floor > 0 ? floor : 1;
            }
        }
    }

    private void MeasureDiagonals(ReadOnlySpan<KroneckerPair> factors)
    {
        for (int slot = 0; slot < _isGood.Length; slot++)
        {
            if (_bases.DiagonalOf(slot) is not null)
            {
                _traces.MeasureDiagonal(slot, factors[slot / 2].B);
            }
        }
    }

    private void AcceptDiagonals(ReadOnlySpan<KroneckerPair> factors)
    {
        for (int slot = 0; slot < _isGood.Length; slot++)
        {
            if (_bases.DiagonalOf(slot) is { } diagonal && double.IsFinite(_traces.MeanOf(slot)))
            {
                diagonal.Accept(factors[slot / 2].B, 0);
                _isGood[slot] = 1;
            }
            else if (_bases.DiagonalOf(slot) is not null)
            {
                GiveUp(slot);
            }
        }
    }
}
