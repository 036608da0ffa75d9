using KFac.Kernels;

namespace KFac.Nn;

/// <summary>How a parameter without Kronecker structure starts: normal with a mean and a standard deviation, which may be 0.</summary>
public readonly record struct ParameterInitialization(float Mean, float StandardDeviation)
{
    /// <summary>All zero.</summary>
    public static ParameterInitialization Zeros => default;

    /// <summary>All one.</summary>
    public static ParameterInitialization Ones => new(1f, 0f);

    /// <summary>One value everywhere.</summary>
    public static ParameterInitialization Constant(float value) => new(value, 0f);

    /// <summary>Normal with mean 0.</summary>
    public static ParameterInitialization Normal(float standardDeviation) => new(0f, standardDeviation);

    /// <summary>Throws unless both numbers are finite and the deviation is not negative.</summary>
    /// <param name="name">Of the parameter, for the message.</param>
    /// <exception cref="ArgumentException">Says what was given.</exception>
    internal void Validate(string name)
    {
        if (!float.IsFinite(Mean) || !float.IsFinite(StandardDeviation) || StandardDeviation < 0)
        {
            throw new ArgumentException(
                $"Parameter '{name}' starts with mean {Mean} and standard deviation {StandardDeviation}; wanted finite numbers, the deviation at least 0.");
        }
    }

    /// <summary>Writes the initial values; a key gives the same ones on every device.</summary>
    internal void Write(DeviceStream stream, PhiloxKey key, VectorView<float> values)
    {
        MatrixView<float> row = values.AsMatrix(1, values.Length);
        if (StandardDeviation == 0)
        {
            Elementwise.Fill(stream, Mean, row);
            return;
        }

        using var arena = new Arena(stream.Device);
        VectorView<float> numbers = arena.Vector<float>(values.Length);
        Philox.Normal(stream, key, 0, numbers);
        Elementwise.Fill(stream, Mean, row);
        Elementwise.Axpby(stream, StandardDeviation, numbers.AsMatrix(1, values.Length), 1f, row);
    }
}
