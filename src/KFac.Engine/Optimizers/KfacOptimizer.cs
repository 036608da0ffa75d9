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
    private readonly VectorView<float> _direction;
    private readonly VectorView<float> _velocity;
    private readonly VectorView<double> _products;
    private readonly VectorView<float> _klFactor;
    private readonly VectorView<float>[] _layerDirections;
    private readonly ParameterSet _parameters;
    private readonly StepNumbers _numbers;
    private readonly StepRecorder _update;
    private bool _byRows;
    private long _step;

    /// <summary>Makes room for factors, inverses and momentum.</summary>
    /// <param name="device">Where the parameters lie.</param>
    /// <param name="model">The model that every <see cref="Step"/> will be given.</param>
    /// <param name="parameters">Its parameters; every Kronecker layer has one block.</param>
    /// <exception cref="ArgumentException">An option is out of range, or parameters and layers do not fit.</exception>
    public KfacOptimizer(Device device, ICurvatureModel model, ParameterSet parameters, KfacOptions options)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        CheckBlocks(model.Layers, parameters.Blocks);
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
        _direction = _arena.Vector<float>(parameters.Values.Length);
        _velocity = _arena.Vector<float>(parameters.Values.Length);
        _products = _arena.Vector<double>(model.Layers.Count);
        _klFactor = _arena.Vector<float>(1);
        _layerDirections = LayerRuns(_direction, parameters.Blocks);
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
            _inverses.Update(_factors.Pairs);
        }

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
        _rows.Dispose();
        _update.Dispose();
        _arena.Dispose();
    }

    private static void CheckBlocks(IReadOnlyList<KroneckerLayer> layers, IReadOnlyList<ParameterBlock> blocks)
    {
        var seen = new bool[layers.Count];
        foreach (ParameterBlock block in blocks)
        {
            if (block.Layer < 0)
            {
                continue;
            }

            if (block.Layer >= layers.Count || seen[block.Layer])
            {
                throw new ArgumentException(
                    $"Parameter '{block.Name}' belongs to layer {block.Layer}; wanted one parameter for each of {layers.Count} layers.");
            }

            KroneckerLayer layer = layers[block.Layer];
            seen[block.Layer] = true;
            if (block.Rows != layer.OutputWidth || block.Columns != layer.FactorInputWidth)
            {
                throw new ArgumentException(
                    $"Parameter '{block.Name}' is {block.Rows}×{block.Columns}; layer '{layer.Name}' wants {layer.OutputWidth}×{layer.FactorInputWidth}.");
            }
        }

        int missing = Array.IndexOf(seen, false);
        if (missing >= 0)
        {
            throw new ArgumentException($"Layer '{layers[missing].Name}' has no parameter.");
        }
    }

    /// <summary>The directions of layers that follow each other in memory, as one vector each.</summary>
    private static VectorView<float>[] LayerRuns(VectorView<float> direction, IReadOnlyList<ParameterBlock> blocks)
    {
        var runs = new List<(int First, int End)>();
        foreach (ParameterBlock block in blocks.Where(static block => block.Layer >= 0).OrderBy(static block => block.Offset))
        {
            int end = block.Offset + (block.Rows * block.Columns);
            if (runs.Count > 0 && runs[^1].End == block.Offset)
            {
                runs[^1] = (runs[^1].First, end);
            }
            else
            {
                runs.Add((block.Offset, end));
            }
        }

        return [.. runs.Select(run => direction.Slice(run.First, run.End - run.First))];
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
    /// addresses and numbers that <see cref="KroneckerInverses.Mark"/> stands for.</summary>
    private void Update()
    {
        _options.Clock?.Begin(StepPhase.Precondition);
        Precondition();
        _others.Precondition(_parameters, _numbers.OnDevice(1, OtherParameters.Numbers), _direction);
        ClipByKl();
        _options.Clock?.Begin(StepPhase.Update);
        var momentum = new MomentumStep(0, (float)_options.Momentum, (float)_options.WeightDecay, _options.Nesterov);
        ParameterUpdate.Momentum(_stream, momentum, _direction, _velocity, _parameters.Values, _numbers.OnDevice(0, 1));
    }

    private void Precondition()
    {
        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            MatrixView<float> direction = ParameterSet.View(_direction, block);
            if (block.Layer >= 0 && _byRows && _rows.TryGet(block.Layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients))
            {
                _inverses.ApplyRows(block.Layer, outputGradients, inputs, _rows.Scale, direction);
                if (_options.KlClip is not null)
                {
                    _inverses.ProductOfRows(block.Layer, outputGradients, inputs, _rows.Scale, direction, _products.Slice(block.Layer, 1));
                }
            }
            else if (block.Layer >= 0)
            {
                _inverses.Apply(block.Layer, _parameters.GradientsOf(block), direction);
            }
        }
    }

    /// <summary>Inner products of layers given by rows have been computed with their directions.</summary>
    private void ClipByKl()
    {
        if (_options.KlClip is not { } clip)
        {
            return;
        }

        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            if (block.Layer >= 0 && !(_byRows && _rows.IsKept(block.Layer)))
            {
                Reduction.Dot(
                    _stream, _parameters.GradientsOf(block), ParameterSet.View(_direction, block), _products.Slice(block.Layer, 1));
            }
        }

        Clipping.ByDivergence(_stream, _products, _numbers.OnDevice(0, 1), clip, _klFactor);
        foreach (VectorView<float> direction in _layerDirections)
        {
            Clipping.Apply(_stream, _klFactor, direction.AsMatrix(1, direction.Length));
        }
    }
}
