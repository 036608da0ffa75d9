using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Notices whether gradients have changed, by one pass over them.</summary>
/// <remarks>The seal is <c>Σ w·g</c> in float64 with a fixed random weight in [1, 2) for every element, compared bit by bit.
/// A change goes unnoticed only below the rounding of that sum, 2⁻⁵³ of it, where it is far below the rounding of the
/// gradients themselves. A NaN or an infinity in the gradients makes the sum one too, and such a seal never holds.</remarks>
internal sealed class GradientSeal
{
    /// <summary>Keeps the weights apart from other random numbers.</summary>
    private const ulong WeightSequence = 0x53_45_41_4C_00_00_00_00;

    private readonly DeviceStream _stream;
    private readonly MatrixView<float> _weights;
    private readonly VectorView<double> _sum;
    private double _sealed = double.NaN;

    public GradientSeal(DeviceStream stream, Arena arena, int length)
    {
        _stream = stream;
        _sum = arena.Vector<double>(1);
        _weights = arena.Matrix<float>(1, length);
        VectorView<float> uniform = arena.Vector<float>(length);
        Philox.Uniform(stream, new PhiloxKey(0, WeightSequence), 0, uniform);
        Elementwise.Fill(stream, 1, _weights);
        Elementwise.Axpby(stream, 1, uniform.AsMatrix(1, length), 1, _weights);
    }

    /// <summary>Seals the gradients as they stand.</summary>
    public void Close(ParameterSet parameters) => _sealed = Sum(parameters);

    /// <summary>Forgets the seal.</summary>
    public void Break() => _sealed = double.NaN;

    /// <summary>Whether the gradients are those that were sealed, and finite.</summary>
    public bool Holds(ParameterSet parameters) =>
        double.IsFinite(_sealed) && BitConverter.DoubleToInt64Bits(Sum(parameters)) == BitConverter.DoubleToInt64Bits(_sealed);

    private double Sum(ParameterSet parameters)
    {
        Reduction.Dot(_stream, parameters.Gradients.AsMatrix(1, parameters.Gradients.Length), _weights, _sum);
        return _stream.Read(_sum);
    }
}
