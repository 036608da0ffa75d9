using KFac.Kernels;

namespace KFac.Engine;

/// <summary>One factor given by its rows X, with the inverse S of its small system: <c>(λI + w·XᵀX)⁻¹</c> through <see cref="DualInverse"/>.</summary>
/// <remarks>Rows are copied, since the inverse outlives the batch. Memory grows to the largest batch.</remarks>
internal sealed class DualFactor(DeviceStream stream, int width) : IDisposable
{
    private readonly Arena _arena = new(stream.Device);
    private readonly RowStore _rows = new(stream, width);
    private VectorView<float> _gram;
    private VectorView<float> _inverse;
    private double _weight;
    private double _damping;

    /// <summary><c>w·X·Xᵀ</c>, with the trace of the factor.</summary>
    public MatrixView<float> Gram => Square(_gram);

    /// <summary>S.</summary>
    public MatrixView<float> Inverse => Square(_inverse);

    /// <summary>λ.</summary>
    public double Damping
    {
        get => _damping;
        set => _damping = value;
    }

    /// <summary>Takes the rows of a factor, and makes their small matrix.</summary>
    public void Load(in FactorRows rows)
    {
        _weight = rows.Weight;
        _rows.Clear();
        Elementwise.Copy(stream, rows.Rows, _rows.Append(rows.Rows.Rows));
        MakeRoom();
        DualInverse.Gram(stream, _rows.Rows, (float)_weight, Gram);
    }

    /// <summary>Forms the factor itself.</summary>
    public void Form(MatrixView<float> factor) => KFac.Kernels.Gram.Expand(stream, _rows.Rows, (float)_weight, 0, factor);

    /// <summary>Multiplies by the damped inverse.</summary>
    public void Apply(MatrixSide side, MatrixView<float> v, MatrixView<float> result) =>
        DualInverse.Apply(stream, side, _rows.Rows, (float)_weight, Inverse, (float)_damping, v, result);

    public void VisitState(IStateVisitor visitor, string name)
    {
        _rows.VisitState(visitor, name);
        visitor.Real($"{name}.weight", ref _weight);
        visitor.Real($"{name}.damping", ref _damping);
        if (_rows.Count > 0)
        {
            MakeRoom();
            visitor.Vector($"{name}.inverse", Inverse.AsVector());
        }
    }

    public void Dispose()
    {
        _rows.Dispose();
        _arena.Dispose();
    }

    private void MakeRoom()
    {
        int size = checked(_rows.Count * _rows.Count);
        if (_gram.Length < size)
        {
            _gram = _arena.Vector<float>(size);
            _inverse = _arena.Vector<float>(size);
        }
    }

    private MatrixView<float> Square(VectorView<float> memory) =>
        memory.Slice(0, _rows.Count * _rows.Count).AsMatrix(_rows.Count, _rows.Count);
}
