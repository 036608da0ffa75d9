using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Settings of <see cref="WeightAverage"/>.</summary>
public sealed record WeightAverageOptions
{
    /// <summary>m of an exponential moving average with bias correction, from 0 to less than 1; null averages uniformly.</summary>
    public double? Decay { get; init; }

    /// <summary>The first step whose parameters count, at least 0: averaging over the tail of a run.</summary>
    public long FirstStep { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        OptionCheck.AtLeast(FirstStep, 0, nameof(FirstStep));
        if (Decay is { } decay)
        {
            OptionCheck.InHalfOpenUnitInterval(decay, nameof(Decay));
        }
    }
}

/// <summary>An average of the parameters over the steps of a run: exponential, or uniform over its tail.</summary>
/// <remarks>
/// Uniform: <c>θ̄ ← θ̄ + (θ − θ̄)/n</c> over the n steps counted so far. Exponential, kept bias-corrected:
/// <c>θ̄ ← k·θ̄ + (1 − k)·θ</c> with <c>k = m(1−m^{n−1})/(1−m^n)</c>.
/// </remarks>
public sealed class WeightAverage : IStateful, IDisposable
{
    private readonly DeviceStream _stream;
    private readonly WeightAverageOptions _options;
    private readonly Arena _arena;
    private readonly MatrixView<float> _average;
    private readonly MatrixView<float> _exchange;
    private long _steps;

    /// <summary>Makes room for the average.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or the parameters lie on another device.</exception>
    public WeightAverage(Device device, ParameterSet parameters, WeightAverageOptions options)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        parameters.RequireOn(device);
        _stream = device.DefaultStream;
        _options = options;
        _arena = new Arena(device);
        _average = _arena.Matrix<float>(1, parameters.Values.Length);
        _exchange = _arena.Matrix<float>(1, parameters.Values.Length);
        Elementwise.Fill(_stream, 0, _average);
    }

    /// <summary>Whether the first step that counts has come.</summary>
    public bool HasValues => _steps > _options.FirstStep;

    /// <summary>θ̄, laid out as the parameters; zero before the first step that counts.</summary>
    public VectorView<float> Values => _average.AsVector();

    /// <summary>Counts the parameters after one more step.</summary>
    public void Update(ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        long counted = _steps + 1 - _options.FirstStep;
        if (counted >= 1)
        {
            double keep = _options.Decay is { } decay ? KroneckerFactors.Keep(decay, counted) : (counted - 1.0) / counted;
            Elementwise.Axpby(_stream, (float)(1 - keep), AsRow(parameters), (float)keep, _average);
        }

        _steps++;
    }

    /// <summary>Exchanges parameters and average, so that the model can be evaluated at θ̄; exchange again to go on training.</summary>
    /// <exception cref="InvalidOperationException">No step has counted yet.</exception>
    public void Exchange(ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        if (!HasValues)
        {
            throw new InvalidOperationException(
                $"There is no average before step {_options.FirstStep}; {_steps} steps have been taken.");
        }

        MatrixView<float> values = AsRow(parameters);
        Elementwise.Copy(_stream, values, _exchange);
        Elementwise.Copy(_stream, _average, values);
        Elementwise.Copy(_stream, _exchange, _average);
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Integer("steps", ref _steps);
        visitor.Vector("average", Values);
    }

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();

    private static MatrixView<float> AsRow(ParameterSet parameters) => parameters.Values.AsMatrix(1, parameters.Values.Length);
}
