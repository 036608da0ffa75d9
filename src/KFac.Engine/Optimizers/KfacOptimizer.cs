using KFac.Kernels;

namespace KFac.Engine;

/// <summary>K-FAC: gradients preconditioned with Kronecker-factored curvature, KL clipping, momentum and weight decay.</summary>
/// <remarks>
/// <c>ΔW = (A⊗B + damping)⁻¹ ∇W</c> for every Kronecker layer, with the factors of the mean-reduced loss; parameters
/// without Kronecker structure follow <see cref="KfacOptions.OtherParameters"/>. KL clipping scales the layers' ΔW by
/// <c>min(1, √(κ/(η² Σ_ℓ ⟨∇W_ℓ, ΔW_ℓ⟩)))</c>. Then <c>v ← μ·v + ΔW + decay·θ</c> and <c>θ ← θ − η·v</c>, or with Nesterov
/// <c>θ ← θ − η(ΔW + decay·θ + μ·v)</c>.
/// <para>A NaN or an infinity in inputs, output gradients or gradients is refused before any state changes.</para>
/// </remarks>
public sealed class KfacOptimizer : IOptimizer
{
    /// <summary>Keeps the sequences of the Monte-Carlo samples apart from those of other uses of the same seed.</summary>
    private const ulong SampleSequences = 0x4B_46_41_43_00_00_00_00;

    private readonly DeviceStream _stream;
    private readonly ICurvatureModel _model;
    private readonly KfacOptions _options;
    private readonly CurvatureIntervals _intervals;
    private readonly KroneckerFactors _factors;
    private readonly KroneckerInverses _inverses;
    private readonly VectorView<ulong> _sampleSequence;
    private readonly GradientRows _rows;
    private readonly OtherParameters _others;
    private readonly Arena _arena;
    private readonly KfacDirections _directions;
    private readonly VectorView<float> _velocity;
    private readonly ParameterSet _parameters;
    private readonly StepNumbers _numbers;
    private readonly StepRecorder _update;
    private bool _byRows;
    private double _learningRate;
    private long _step;

    /// <summary>Makes room for factors, inverses and momentum.</summary>
    /// <param name="device">Where the parameters lie.</param>
    /// <param name="model">The model that every <see cref="Step"/> will be given.</param>
    /// <param name="parameters">Its parameters; every Kronecker layer has one block.</param>
    /// <exception cref="ArgumentException">An option is out of range, parameters and layers do not fit, or the parameters lie on another device.</exception>
    public KfacOptimizer(Device device, ICurvatureModel model, ParameterSet parameters, KfacOptions options)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        parameters.RequireOn(device);
        KfacBlocks.Check(model.Layers, parameters.Blocks);
        _stream = device.DefaultStream;
        _model = model;
        _options = options;
        _intervals = new CurvatureIntervals(options.FactorInterval, options.InverseInterval, options.UpdatesBeforeInversion);
        _factors = new KroneckerFactors(device, model, options, LossReduction.Mean, options.UsesDual && DualInverse.IsOffered(_stream));
        _inverses = KroneckerInverses.Create(device, model.Layers, options.ToInverseOptions());
        _arena = new Arena(device);
        _sampleSequence = _arena.Vector<ulong>(1);
        _others = new OtherParameters(_stream, _arena, parameters.Blocks, options.OtherParameters);
        int[] mostRows = [.. Enumerable.Range(0, model.Layers.Count).Select(layer => options.LowRankGradients ? _inverses.MostRows(layer) : 0)];
        _rows = new GradientRows(_stream, model.Layers, mostRows, parameters.Values.Length);
        _directions = new KfacDirections(
            _stream, _arena, parameters, model.Layers, _inverses, _rows, options.KlClip, mayStayRows: !options.Nesterov);
        _velocity = _arena.Vector<float>(parameters.Values.Length);
        _parameters = parameters;
        _numbers = new StepNumbers(_stream, _arena, 1 + OtherParameters.Numbers);
        _update = new StepRecorder(_stream, Update);
        Elementwise.Fill(_stream, 0, _velocity.AsMatrix(1, _velocity.Length));
    }

    /// <inheritdoc/>
    public string Name => _options.Kind == CurvatureKind.ForwardOnly ? "foof" : "kfac";

    /// <inheritdoc/>
    /// <remarks>Asking for it starts a new pass: what an earlier pass delivered is forgotten.</remarks>
    public ITrainingSink? TrainingPassSink
    {
        get
        {
            bool forFactors = _options.Kind == CurvatureKind.Empirical && _intervals.UpdatesFactors(_step);
            _rows.Reset(forFactors ? _factors.BeginTrainingPass() : null);
            return forFactors || _options.LowRankGradients ? _rows : null;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<NumericalEventCount> Events => _inverses.Events;

    /// <summary>How many updates of the parameters were replayed; the first ones, and those after a change of what they depend on, are
    /// given to the device kernel by kernel.</summary>
    public long Replays => _update.Replays;

    /// <summary>How often the parts of an update of the factors were replayed: capturing, which a check follows, and averaging.</summary>
    public (long Gathered, long Averaged) FactorReplays => _factors.Replays;

    /// <summary>The factors, for inspection; those of few rows as rows, see <see cref="KfacOptions.DualInverses"/>.</summary>
    public KroneckerFactors Factors => _factors;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Model or parameters are not those that the optimizer was made for.</exception>
    /// <exception cref="NonFiniteCaptureException">An input or gradient is not finite; nothing has changed.</exception>
    public void Step(ICurvatureModel model, ParameterSet parameters, double learningRate)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        OptionCheck.NonNegative(learningRate, nameof(learningRate));
        if (!ReferenceEquals(model, _model))
        {
            throw new ArgumentException("The model is another than the optimizer was made for.", nameof(model));
        }

        if (!ReferenceEquals(parameters, _parameters))
        {
            throw new ArgumentException("The parameters are others than the optimizer was made for.", nameof(parameters));
        }

        IStepClock? clock = _options.Clock;
        clock?.Begin(StepPhase.Other);
        _byRows = _rows.Hold(parameters);
        bool updatesFactors = _intervals.UpdatesFactors(_step);
        Check(updatesFactors);
        if (updatesFactors)
        {
            clock?.Begin(StepPhase.Factors);
            _factors.Commit();
        }

        if (_intervals.UpdatesInverses(_step))
        {
            clock?.Begin(StepPhase.Inverses);
            _inverses.Update(_factors.Pairs, _byRows ? _rows.Counts : default);
        }

        _learningRate = learningRate;
        _numbers[0] = learningRate;
        _others.Write(_step + 1, _numbers, 1);
        _numbers.Upload();
        _update.Run(_byRows || clock is not null ? null : _inverses.Mark);
        _rows.Use();
        _step++;
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Integer("step", ref _step);
        visitor.Vector("velocity", _velocity);
        _others.VisitState(visitor);
        _factors.VisitState(visitor);
        _inverses.VisitState(visitor);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _factors.Dispose();
        _inverses.Dispose();
        _directions.Dispose();
        _rows.Dispose();
        _update.Dispose();
        _arena.Dispose();
    }

    /// <summary>Looks at all that the step is made of, and waits once for what was found: nothing has changed when it throws.</summary>
    private void Check(bool updatesFactors)
    {
        NonFiniteGuard guard = _factors.Guard;
        if (updatesFactors)
        {
            _options.Clock?.Begin(StepPhase.Factors);
            ulong sequence = SampleSequences + (ulong)_step;
            _stream.Upload<ulong>(new ReadOnlySpan<ulong>(in sequence), _sampleSequence);
            _factors.Gather(new DeviceKey(new PhiloxKey(_options.Seed, 0), _sampleSequence));
            _options.Clock?.Begin(StepPhase.Other);
        }
        else
        {
            guard.Clear();
        }

        if (!_byRows)
        {
            guard.SearchGradients(_parameters);
        }

        guard.ThrowIfFound();
    }

    /// <summary>From gradients to parameters, once factors and inverses are what they shall be. Reads nothing back, and depends on
    /// addresses and numbers that <see cref="KroneckerInverses.Mark"/> stands for; where rows stand for gradients also on the learning rate, and is
    /// not recorded then.</summary>
    private void Update()
    {
        _options.Clock?.Begin(StepPhase.Precondition);
        _directions.Precondition(_byRows);
        _others.Precondition(_parameters, _numbers.OnDevice(1, OtherParameters.Numbers), _directions.Values);
        _directions.Clip(_byRows, _numbers.OnDevice(0, 1));
        _options.Clock?.Begin(StepPhase.Update);
        var momentum = new MomentumStep((float)_learningRate, (float)_options.Momentum, (float)_options.WeightDecay, _options.Nesterov);
        _directions.Update(momentum, _numbers.OnDevice(0, 1), _velocity);
    }
}
