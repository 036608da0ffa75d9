using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Settings of <see cref="SgdOptimizer"/>.</summary>
public sealed record SgdOptions
{
    /// <summary>μ, from 0 to less than 1.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>Nesterov's look-ahead instead of the heavy ball.</summary>
    public bool Nesterov { get; init; }

    /// <summary>Weight decay, added to the gradient as <c>decay·θ</c>.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        OptionCheck.InHalfOpenUnitInterval(Momentum, nameof(Momentum));
        OptionCheck.NonNegative(WeightDecay, nameof(WeightDecay));
    }
}

/// <summary>Gradient descent with momentum: <c>g' = g + decay·θ; v ← μ·v + g'; θ ← θ − η·v</c>, or with Nesterov
/// <c>θ ← θ − η(g' + μ·v)</c>.</summary>
public sealed class SgdOptimizer : IOptimizer
{
    private readonly DeviceStream _stream;
    private readonly SgdOptions _options;
    private readonly Arena _arena;
    private readonly VectorView<float> _velocity;

    /// <summary>Makes room for the velocity.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or the parameters lie on another device.</exception>
    public SgdOptimizer(Device device, ParameterSet parameters, SgdOptions options)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        parameters.RequireOn(device);
        _stream = device.DefaultStream;
        _options = options;
        _arena = new Arena(device);
        _velocity = _arena.Vector<float>(parameters.Values.Length);
        Elementwise.Fill(_stream, 0, _velocity.AsMatrix(1, _velocity.Length));
    }

    /// <inheritdoc/>
    public string Name => "sgd";

    /// <inheritdoc/>
    public ITrainingSink? TrainingPassSink => null;

    /// <inheritdoc/>
    public IReadOnlyList<NumericalEventCount> Events => [];

    /// <inheritdoc/>
    public void Step(ICurvatureModel model, ParameterSet parameters, double learningRate)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        OptionCheck.NonNegative(learningRate, nameof(learningRate));
        var step = new MomentumStep(
            (float)learningRate, (float)_options.Momentum, (float)_options.WeightDecay, _options.Nesterov);
        ParameterUpdate.Momentum(_stream, step, parameters.Gradients, _velocity, parameters.Values);
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Vector("velocity", _velocity);
    }

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();
}
