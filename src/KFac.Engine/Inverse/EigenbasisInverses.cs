using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Product damping: both factors diagonalised, <c>(A⊗B + λI)⁻¹</c> applied in their eigenbases.</summary>
/// <remarks>
/// <c>U = Q_B [(Q_Bᵀ ∇W Q_A) / (b·aᵀ + λ)] Q_Aᵀ</c>. Factors are positive semi-definite, so eigenvalues that rounding has
/// made negative count as 0. A factor fails when it is not finite, does not converge, or has an eigenvalue too negative
/// for rounding; more damping would not change its eigenvectors, so the last good basis stays in use at once.
/// <para>A diagonal B has the identity for its basis, and itself for its values.</para>
/// <para>An update starts from the last good basis. Where that was of no use, the next
/// updates start from scratch: one at first, then twice as many each time, up to <see cref="LongestWait"/>.</para>
/// <para>With λ = 0 and factors that are singular to working precision, λ is raised to <c>2⁻²³·max(b)·max(a)</c>, which is
/// an increase of damping and reported as such.</para>
/// </remarks>
internal sealed class EigenbasisInverses : KroneckerInverses
{
    private const double WorkingPrecision = 1.0 / (1 << 23);

    /// <summary>How negative an eigenvalue may be, relative to the largest: far above the roundings of any Gram matrix and
    /// its decomposition, far below what a matrix that is no factor shows.</summary>
    private const float NegativeShare = 0.01f;

    /// <summary>Most updates that start from scratch before the last basis is tried again.</summary>
    private const int LongestWait = 8;

    private readonly Basis[] _bases;
    private readonly Basis[] _spares;
    private readonly bool[] _swapped;
    private readonly long[] _isGood;
    private readonly long[] _waits;
    private readonly long[] _waited;
    private readonly double[] _dampings;
    private readonly DiagonalFactor?[] _diagonals;
    private readonly int[] _slotOfItem;
    private readonly TraceReader _traces;
    private readonly SymmetricEigenItem[] _items;
    private readonly VectorView<int> _status;
    private readonly int[] _hostStatus;
    private readonly EigenWarmStart _warmStart;
    private readonly VectorView<EigenOutcome> _outcomes;
    private readonly EigenOutcome[] _hostOutcomes;
    private readonly VectorView<float> _extremes;
    private readonly float[] _hostExtremes;
    private readonly VectorView<float> _first;
    private readonly VectorView<float> _second;

    public EigenbasisInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
        : base(stream, layers, options)
    {
        int slots = 2 * layers.Count;
        _bases = new Basis[slots];
        _spares = new Basis[slots];
        _swapped = new bool[slots];
        _isGood = new long[slots];
        _waits = new long[slots];
        _waited = new long[slots];
        _dampings = new double[layers.Count];
        _diagonals = new DiagonalFactor?[slots];
        _slotOfItem = [.. Enumerable.Range(0, slots).Where(slot => IsA(slot) || !layers[slot / 2].HasDiagonalOutput)];
        _items = new SymmetricEigenItem[_slotOfItem.Length];
        _hostStatus = new int[_items.Length];
        _hostOutcomes = new EigenOutcome[_items.Length];
        _warmStart = new EigenWarmStart { KeepBelow = options.KeepBasisBelow };
        _traces = new TraceReader(stream, Arena, slots);
        _status = Arena.Vector<int>(_items.Length);
        _outcomes = Arena.Vector<EigenOutcome>(_items.Length);
        _extremes = Arena.Vector<float>(2 * slots);
        _hostExtremes = new float[2 * slots];
        _first = Arena.Vector<float>(Math.Max(LargestGradient(layers), LargestRows()));
        _second = Arena.Vector<float>(LargestGradient(layers));
        for (int slot = 0; slot < slots; slot++)
        {
            int width = IsA(slot) ? layers[slot / 2].FactorInputWidth : layers[slot / 2].OutputWidth;
            if (!IsA(slot) && layers[slot / 2].HasDiagonalOutput)
            {
                _diagonals[slot] = new DiagonalFactor(stream, Arena, width, layers[slot / 2].FactorInputWidth);
                _bases[slot] = new Basis(_diagonals[slot]!.Values, default);
                continue;
            }

            _bases[slot] = Allocate(width);
            _spares[slot] = Allocate(width);
            Elementwise.Fill(stream, 0, _bases[slot].Vectors);
            Elementwise.Fill(stream, 0, AsRow(_bases[slot].Values));
        }
    }

    internal override ulong? Mark
    {
        get
        {
            ulong mark = 0;
            for (int slot = 0; slot < _bases.Length; slot++)
            {
                mark = StepRecorder.Mix(mark, _swapped[slot] ? 1UL : 0);
            }

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
            int slot = _slotOfItem[item];
            MatrixView<float> factor = IsA(slot) ? factors[slot / 2].A : factors[slot / 2].B;
            _traces.Measure(slot, factor);
            _items[item] = new SymmetricEigenItem(factor, _spares[slot].Values, _spares[slot].Vectors, PreviousOf(slot));
        }

        MeasureDiagonals(factors);
        SymmetricEigen.Run(Stream, _items, _status, _outcomes, _warmStart);
        Stream.Download(_status, _hostStatus);
        Stream.Download(_outcomes, _hostOutcomes);
        _traces.Read();
        ReadExtremes(_spares);
        for (int item = 0; item < _items.Length; item++)
        {
            int slot = _slotOfItem[item];
            NoteOutcome(slot, item);
            if (_hostStatus[item] == 0 && SmallestOf(slot) >= -NegativeShare * LargestOf(slot))
            {
                Accept(slot);
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
        Basis a = _bases[2 * layer];
        Basis b = _bases[(2 * layer) + 1];
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
        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, inputs, _bases[2 * layer].Vectors, 0, right);
        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, outputGradients, _bases[(2 * layer) + 1].Vectors, 0, left);
        Gemm.Run(Stream, Transpose.Yes, Transpose.No, scale, left, right, 0, both);
        DivideAndReturn(layer, both, update);
    }

    private protected override void VisitInverses(IStateVisitor visitor)
    {
        for (int slot = 0; slot < _bases.Length; slot++)
        {
            string name = $"{(IsA(slot) ? "a" : "b")}.{Layers[slot / 2].Name}";
            visitor.Integer($"bases.good.{name}", ref _isGood[slot]);
            visitor.Integer($"bases.waits.{name}", ref _waits[slot]);
            visitor.Integer($"bases.waited.{name}", ref _waited[slot]);
            visitor.Vector($"bases.values.{name}", _bases[slot].Values);
            if (!_bases[slot].IsIdentity)
            {
                visitor.Vector($"bases.vectors.{name}", _bases[slot].Vectors.AsVector());
            }
        }

        for (int layer = 0; layer < _dampings.Length; layer++)
        {
            visitor.Real($"bases.damping.{Layers[layer].Name}", ref _dampings[layer]);
        }
    }

    /// <summary><c>update ← Q_B [both / (b·aᵀ + λ)] Q_Aᵀ</c>; overwrites what it is given.</summary>
    private void DivideAndReturn(int layer, MatrixView<float> both, MatrixView<float> update)
    {
        Basis a = _bases[2 * layer];
        Basis b = _bases[(2 * layer) + 1];
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

    private static bool IsA(int slot) => slot % 2 == 0;

    private static MatrixView<float> AsRow(VectorView<float> values) => values.AsMatrix(1, values.Length);

    private Basis Allocate(int width) => new(Arena.Vector<float>(width), Arena.Matrix<float>(width, width));

    /// <summary>The basis to start from, or none.</summary>
    private MatrixView<float> PreviousOf(int slot) =>
        Options.WarmStart && _isGood[slot] != 0 && _waited[slot] == _waits[slot] ? _bases[slot].Vectors : default;

    /// <summary>Decides how many updates of a slot start from scratch before its basis is tried again.</summary>
    private void NoteOutcome(int slot, int item)
    {
        switch (_hostOutcomes[item].Route)
        {
            case EigenRoute.FellBack when _hostStatus[item] == 0:
                Record(slot / 2, IsA(slot) ? "A" : "B", NumericalEventKind.RestartedBasis);
                _waits[slot] = Math.Clamp(2 * _waits[slot], 1, LongestWait);
                _waited[slot] = 0;
                break;
            case EigenRoute.Decomposed when _waited[slot] < _waits[slot]:
                _waited[slot]++;
                break;
            case EigenRoute.Kept or EigenRoute.Refined:
                _waits[slot] = 0;
                _waited[slot] = 0;
                break;
        }
    }

    private void Accept(int slot)
    {
        (_bases[slot], _spares[slot]) = (_spares[slot], _bases[slot]);
        _swapped[slot] ^= true;
        _isGood[slot] = 1;
        MatrixView<float> values = AsRow(_bases[slot].Values);
        Activation.Forward(Stream, ActivationKind.Relu, values, values);
    }

    /// <summary>Keeps the last good basis, or without one takes the identity with every eigenvalue at the mean.</summary>
    private void GiveUp(int slot)
    {
        bool keep = _isGood[slot] != 0;
        Record(slot / 2, IsA(slot) ? "A" : "B", keep ? NumericalEventKind.KeptLastInverse : NumericalEventKind.UsedScaledIdentity);
        if (!keep)
        {
            double mean = _traces.MeanOf(slot);
            if (!_bases[slot].IsIdentity)
            {
                ScaledIdentity.Write(Stream, 1, _bases[slot].Vectors);
            }

            Elementwise.Fill(Stream, double.IsFinite(mean) ? (float)mean : float.MaxValue, AsRow(_bases[slot].Values));
        }
    }

    /// <summary>Gives damping to the layers whose factors are singular to working precision.</summary>
    private void RaiseDampings()
    {
        ReadExtremes(_bases);
        ReadExtremesOfDiagonals();
        for (int layer = 0; layer < _dampings.Length; layer++)
        {
            int a = 2 * layer;
            int b = a + 1;
            double floor = WorkingPrecision * LargestOf(a) * LargestOf(b);
            if ((double)SmallestOf(a) * SmallestOf(b) <= floor)
            {
                Record(layer, "A⊗B", NumericalEventKind.DampingIncreased);
                _dampings[layer] = floor > 0 ? floor : 1;
            }
        }
    }

    /// <summary>Reads the smallest and the largest eigenvalue of every slot, which are ascending, in one copy.</summary>
    private void ReadExtremes(Basis[] bases)
    {
        foreach (int slot in _slotOfItem)
        {
            MatrixView<float> values = AsRow(bases[slot].Values);
            MatrixView<float> extremes = AsRow(_extremes.Slice(2 * slot, 2));
            Elementwise.Copy(Stream, values.Slice(0, 0, 1, 1), extremes.Slice(0, 0, 1, 1));
            Elementwise.Copy(Stream, values.Slice(0, values.Columns - 1, 1, 1), extremes.Slice(0, 1, 1, 1));
        }

        Stream.Download(_extremes, _hostExtremes);
    }

    private void MeasureDiagonals(ReadOnlySpan<KroneckerPair> factors)
    {
        for (int slot = 0; slot < _diagonals.Length; slot++)
        {
            if (_diagonals[slot] is not null)
            {
                _traces.MeasureDiagonal(slot, factors[slot / 2].B);
            }
        }
    }

    private void AcceptDiagonals(ReadOnlySpan<KroneckerPair> factors)
    {
        for (int slot = 0; slot < _diagonals.Length; slot++)
        {
            if (_diagonals[slot] is { } diagonal && double.IsFinite(_traces.MeanOf(slot)))
            {
                diagonal.Accept(factors[slot / 2].B, 0);
                _isGood[slot] = 1;
            }
            else if (_diagonals[slot] is not null)
            {
                GiveUp(slot);
            }
        }
    }

    private void ReadExtremesOfDiagonals()
    {
        for (int slot = 0; slot < _diagonals.Length; slot++)
        {
            if (_diagonals[slot] is { } diagonal)
            {
                (_hostExtremes[2 * slot], _hostExtremes[(2 * slot) + 1]) = diagonal.Extremes(AsRow(diagonal.Values));
            }
        }
    }

    private float SmallestOf(int slot) => _hostExtremes[2 * slot];

    private float LargestOf(int slot) => _hostExtremes[(2 * slot) + 1];

    private readonly record struct Basis(VectorView<float> Values, MatrixView<float> Vectors)
    {
        /// <summary>Whether the vectors are those of a diagonal matrix, and not stored.</summary>
        public bool IsIdentity => Vectors.IsEmpty;
    }
}
