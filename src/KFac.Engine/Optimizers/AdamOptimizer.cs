using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Settings of <see cref="AdamOptimizer"/>.</summary>
public sealed record AdamOptions
{
    /// <summary>β₁, decay of the first moment, from 0 to less than 1.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂, decay of the second moment, from 0 to less than 1.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε, added to the root of the corrected second moment; above 0.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay: <c>θ ← (1 − η·decay)·θ</c>.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Nesterov's look-ahead: NAdamW instead of AdamW.</summary>
    public bool Nesterov { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        OptionCheck.InHalfOpenUnitInterval(Beta1, nameof(Beta1));
        OptionCheck.InHalfOpenUnitInterval(Beta2, nameof(Beta2));
        OptionCheck.Positive(Epsilon, nameof(Epsilon));
        OptionCheck.NonNegative(WeightDecay, nameof(WeightDecay));
    }
}

/// <summary>AdamW (Loshchilov and Hutter 2019), and NAdamW (Dozat 2016 as Choi et al. 2019 state it).</summary>
/// <remarks>
/// <c>m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← (1 − η·decay)·θ − η·m̂/(√v̂ + ε)</c> with <c>v̂ = v/(1−β₂^t)</c> and
/// <c>m̂ = m/(1−β₁^t)</c>, or with Nesterov <c>m̂ = (β₁m + (1−β₁)g)/(1−β₁^t)</c>.
/// </remarks>
public sealed class AdamOptimizer : IOptimizer
{
    private readonly DeviceStream _stream;
    private readonly AdamOptions _options;
    private readonly Arena _arena;
    private readonly VectorView<float> _firstMoment;
    private readonly VectorView<float> _secondMoment;
    private long _step;

    /// <summary>Makes room for the moments.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or the parameters lie on another device.</exception>
    public AdamOptimizer(Device device, ParameterSet parameters, AdamOptions options)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        parameters.RequireOn(device);
        _stream = device.DefaultStream;
        _options = options;
        _arena = new Arena(device);
        int length = parameters.Values.Length;
        _firstMoment = _arena.Vector<float>(length);
        _secondMoment = _arena.Vector<float>(length);
        Elementwise.Fill(_stream, 0, _firstMoment.AsMatrix(1, length));
        Elementwise.Fill(_stream, 0, _secondMoment.AsMatrix(1, length));
    }

    /// <inheritdoc/>
    public string Name => _options.Nesterov ? "nadamw" : "adamw";

    /// <inheritdoc/>
    public ITrainingSink? TrainingPassSink => null;

    /// <inheritdoc/>
    public IReadOnlyList<NumericalEventCount> Events => [];

    /// <inheritdoc/>
    public void Step(ICurvatureModel model, ParameterSet parameters, double learningRate)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        OptionCheck.NonNegative(learningRate, nameof(learningRate));
        long count = _step + 1;
        double correction = 1 / (1 - Math.Pow(_options.Beta1, count));
        var step = new AdamStep(
            (float)learningRate,
            (float)_options.Beta1,
            (float)_options.Beta2,
            (float)_options.Epsilon,
            (float)_options.WeightDecay,
            FirstCorrection: (float)(_options.Nesterov ? _options.Beta1 * correction : correction),
            GradientCorrection: (float)(_options.Nesterov ? (1 - _options.Beta1) * correction : 0),
            SecondCorrection: (float)(1 / (1 - Math.Pow(_options.Beta2, count))));
        ParameterUpdate.Adam(_stream, step, parameters.Gradients, _firstMoment, _secondMoment, parameters.Values);
        _step = count;
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Integer("step", ref _step);
        visitor.Vector("firstMoment", _firstMoment);
        visitor.Vector("secondMoment", _secondMoment);
    }

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();
}
