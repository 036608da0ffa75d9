using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Product damping: both factors diagonalised, <c>(A⊗B + λI)⁻¹</c> applied in their eigenbases.</summary>
/// <remarks>
/// <c>U = Q_B [(Q_Bᵀ ∇W Q_A) / (b·aᵀ + λ)] Q_Aᵀ</c>. Factors are positive semi-definite, so eigenvalues that rounding has
/// made negative count as 0. A decomposition fails only for a matrix that is not finite or does not converge; more damping
/// would not change its eigenvectors, so the last good basis stays in use at once.
/// <para>With λ = 0 and factors that are singular to working precision, λ is raised to <c>2⁻²³·max(b)·max(a)</c>, which is
/// an increase of damping and reported as such.</para>
/// </remarks>
internal sealed class EigenbasisInverses : KroneckerInverses
{
    private const double WorkingPrecision = 1.0 / (1 << 23);

    private readonly Basis[] _bases;
    private readonly Basis[] _spares;
    private readonly long[] _isGood;
    private readonly double[] _dampings;
    private readonly TraceReader _traces;
    private readonly SymmetricEigenItem[] _items;
    private readonly VectorView<int> _status;
    private readonly int[] _hostStatus;
    private readonly VectorView<float> _first;
    private readonly VectorView<float> _second;

    public EigenbasisInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
        : base(stream, layers, options)
    {
        int slots = 2 * layers.Count;
        _bases = new Basis[slots];
        _spares = new Basis[slots];
        _isGood = new long[slots];
        _dampings = new double[layers.Count];
        _items = new SymmetricEigenItem[slots];
        _hostStatus = new int[slots];
        _traces = new TraceReader(stream, Arena, slots);
        _status = Arena.Vector<int>(slots);
        _first = Arena.Vector<float>(LargestGradient(layers));
        _second = Arena.Vector<float>(_first.Length);
        for (int slot = 0; slot < slots; slot++)
        {
            int width = IsA(slot) ? layers[slot / 2].FactorInputWidth : layers[slot / 2].OutputWidth;
            _bases[slot] = Allocate(width);
            _spares[slot] = Allocate(width);
            Elementwise.Fill(stream, 0, _bases[slot].Vectors);
            Elementwise.Fill(stream, 0, AsRow(_bases[slot].Values));
        }
    }

    private protected override void UpdateCore(ReadOnlySpan<KroneckerPair> factors)
    {
        for (int slot = 0; slot < _items.Length; slot++)
        {
            MatrixView<float> factor = IsA(slot) ? factors[slot / 2].A : factors[slot / 2].B;
            _traces.Measure(slot, factor);
            _items[slot] = new SymmetricEigenItem(factor, _spares[slot].Values, _spares[slot].Vectors);
        }

        SymmetricEigen.Run(Stream, _items, _status);
        Stream.Download(_status, _hostStatus);
        _traces.Read();
        for (int slot = 0; slot < _items.Length; slot++)
        {
            if (_hostStatus[slot] == 0)
            {
                Accept(slot);
            }
            else
            {
                GiveUp(slot);
            }
        }

        for (int layer = 0; layer < _dampings.Length; layer++)
        {
            _dampings[layer] = Options.Damping > 0 ? Options.Damping : DampingForSingular(layer);
        }
    }

    private protected override void ApplyCore(int layer, MatrixView<float> gradient, MatrixView<float> update)
    {
        Basis a = _bases[2 * layer];
        Basis b = _bases[(2 * layer) + 1];
        int size = gradient.Rows * gradient.Columns;
        MatrixView<float> left = _first.Slice(0, size).AsMatrix(gradient.Rows, gradient.Columns);
        MatrixView<float> both = _second.Slice(0, size).AsMatrix(gradient.Rows, gradient.Columns);
        Gemm.Run(Stream, Transpose.Yes, Transpose.No, 1, b.Vectors, gradient, 0, left);
        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, left, a.Vectors, 0, both);
        Elementwise.KroneckerDivide(Stream, both, b.Values, a.Values, (float)_dampings[layer], both);
        Gemm.Run(Stream, Transpose.No, Transpose.No, 1, b.Vectors, both, 0, left);
        Gemm.Run(Stream, Transpose.No, Transpose.Yes, 1, left, a.Vectors, 0, update);
    }

    private protected override void VisitInverses(IStateVisitor visitor)
    {
        for (int slot = 0; slot < _bases.Length; slot++)
        {
            string name = $"{(IsA(slot) ? "a" : "b")}.{Layers[slot / 2].Name}";
            visitor.Integer($"bases.good.{name}", ref _isGood[slot]);
            visitor.Vector($"bases.values.{name}", _bases[slot].Values);
            visitor.Vector($"bases.vectors.{name}", _bases[slot].Vectors.AsVector());
        }

        for (int layer = 0; layer < _dampings.Length; layer++)
        {
            visitor.Real($"bases.damping.{Layers[layer].Name}", ref _dampings[layer]);
        }
    }

    private static bool IsA(int slot) => slot % 2 == 0;

    private static MatrixView<float> AsRow(VectorView<float> values) => values.AsMatrix(1, values.Length);

    private Basis Allocate(int width) => new(Arena.Vector<float>(width), Arena.Matrix<float>(width, width));

    private void Accept(int slot)
    {
        (_bases[slot], _spares[slot]) = (_spares[slot], _bases[slot]);
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
            ScaledIdentity.Write(Stream, 1, _bases[slot].Vectors);
            Elementwise.Fill(Stream, double.IsFinite(mean) ? (float)mean : float.MaxValue, AsRow(_bases[slot].Values));
        }
    }

    private double DampingForSingular(int layer)
    {
        VectorView<float> a = _bases[2 * layer].Values;
        VectorView<float> b = _bases[(2 * layer) + 1].Values;
        double smallest = (double)Stream.Read(a) * Stream.Read(b);
        double floor = WorkingPrecision * Stream.Read(a, a.Length - 1) * Stream.Read(b, b.Length - 1);
        if (smallest > floor)
        {
            return 0;
        }

        Record(layer, "A⊗B", NumericalEventKind.DampingIncreased);
        return floor > 0 ? floor : 1;
    }

    private readonly record struct Basis(VectorView<float> Values, MatrixView<float> Vectors);
}
