using KFac.Kernels;

namespace KFac.Engine;

/// <summary>A diagonal factor as it was when it was last inverted, with its damping: <c>(diag(b) + λI)⁻¹</c> divides rows.</summary>
internal sealed class DiagonalFactor
{
    private readonly DeviceStream _stream;
    private readonly VectorView<float> _ones;
    private readonly float[] _host;
    private double _damping;

    /// <param name="columns">Columns of the gradients that it is applied to.</param>
    public DiagonalFactor(DeviceStream stream, Arena arena, int width, int columns)
    {
        _stream = stream;
        Values = arena.Vector<float>(width);
        _ones = arena.Vector<float>(columns);
        _host = new float[width];
        Elementwise.Fill(stream, 0, Values.AsMatrix(1, width));
        Elementwise.Fill(stream, 1, _ones.AsMatrix(1, columns));
    }

    /// <summary>b.</summary>
    public VectorView<float> Values { get; }

    /// <summary>Stands for the damping that it is applied with.</summary>
    public ulong Mark => BitConverter.SingleToUInt32Bits((float)_damping);

    /// <summary>Whether the factor can be inverted with this damping: without any, no element may be 0.</summary>
    public bool CanInvert(MatrixView<float> factor, double damping) => (float)damping > 0 || Extremes(factor).Smallest > 0;

    /// <summary>Takes a factor.</summary>
    /// <param name="factor">[1, width].</param>
    public void Accept(MatrixView<float> factor, double damping)
    {
        Elementwise.Copy(_stream, factor, Values.AsMatrix(1, Values.Length));
        _damping = damping;
    }

    /// <summary>Takes <c>I/scale</c> for the inverse; 0, so that the layer stands still, where that is not a positive number.</summary>
    public void StandIn(double scale)
    {
        Elementwise.Fill(_stream, double.IsFinite(scale) && scale > 0 ? (float)scale : float.MaxValue, Values.AsMatrix(1, Values.Length));
        _damping = 0;
    }

    /// <summary><c>result ← (diag(b) + λI)⁻¹·v</c>.</summary>
    public void Apply(MatrixView<float> v, MatrixView<float> result) =>
        Elementwise.KroneckerDivide(_stream, v, Values, _ones, (float)_damping, result);

    /// <summary>The smallest and the largest element.</summary>
    public (float Smallest, float Largest) Extremes(MatrixView<float> factor)
    {
        _stream.Download(factor, _host);
        (float smallest, float largest) = (float.PositiveInfinity, float.NegativeInfinity);
        foreach (float value in _host)
        {
            (smallest, largest) = (Math.Min(smallest, value), Math.Max(largest, value));
        }

        return (smallest, largest);
    }

    public void VisitState(IStateVisitor visitor, string name)
    {
        visitor.Vector(name, Values);
        visitor.Real($"{name}.damping", ref _damping);
    }
}
