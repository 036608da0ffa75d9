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
    private readonly GradientCheck _check;
    private readonly GradientRows _rows;
    private readonly OtherParameters _others;
    private readonly Arena _arena;
    private readonly VectorView<float> _direction;
    private readonly VectorView<float> _velocity;
    private readonly VectorView<double> _products;
    private readonly double[] _hostProducts;
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
        _check = new GradientCheck(_stream, _arena);
        _others = new OtherParameters(_stream, _arena, parameters.Blocks, options.OtherParameters);
        int[] mostRows = [.. Enumerable.Range(0, model.Layers.Count).Select(layer => options.LowRankGradients ? _inverses.MostRows(layer) : 0)];
        _rows = new GradientRows(_stream, model.Layers, mostRows, parameters.Values.Length);
        _direction = _arena.Vector<float>(parameters.Values.Length);
        _velocity = _arena.Vector<float>(parameters.Values.Length);
        _products = _arena.Vector<double>(model.Layers.Count);
        _hostProducts = new double[model.Layers.Count];
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

    /// <summary>The factors, for inspection; those of few rows as rows, see <see cref="KfacOptions.DualInverses"/>.</summary>
    public KroneckerFactors Factors => _factors;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The model is not the one that the optimizer was made for.</exception>
    /// <exception cref="NonFiniteCaptureException">An input or gradient is not finite; nothing has changed.</exception>
    public void Step(ICurvatureModel model, ParameterSet parameters, double learningRate)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        OptionCheck.NonNegative(learningRate, nameof(learningRate));
        if (!ReferenceEquals(model, _model))
        {
            throw new ArgumentException("The model is another than the optimizer was made for.", nameof(model));
        }

        IStepClock? clock = _options.Clock;
        clock?.Begin(StepPhase.Other);
        bool byRows = _rows.Hold(parameters);
        if (!byRows)
        {
            _check.ThrowIfNotFinite(parameters);
        }

        if (_intervals.UpdatesFactors(_step))
        {
            clock?.Begin(StepPhase.Factors);
            _factors.Update(new PhiloxKey(_options.Seed, SampleSequences + (ulong)_step));
        }

        if (_intervals.UpdatesInverses(_step))
        {
            clock?.Begin(StepPhase.Inverses);
            _inverses.Update(_factors.Pairs);
        }

        clock?.Begin(StepPhase.Precondition);
        Precondition(parameters, byRows);
        _others.Precondition(parameters, _step + 1, _direction);
        ClipByKl(parameters, byRows, learningRate);
        clock?.Begin(StepPhase.Update);
        var momentum = new MomentumStep(
            (float)learningRate, (float)_options.Momentum, (float)_options.WeightDecay, _options.Nesterov);
        ParameterUpdate.Momentum(_stream, momentum, _direction, _velocity, parameters.Values);
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

    private void Precondition(ParameterSet parameters, bool byRows)
    {
        for (int i = 0; i < parameters.Blocks.Count; i++)
        {
            ParameterBlock block = parameters.Blocks[i];
            MatrixView<float> gradient = parameters.GradientsOf(block);
            MatrixView<float> direction = ParameterSet.View(_direction, block);
            if (block.Layer >= 0 && byRows && _rows.TryGet(block.Layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients))
            {
                _inverses.ApplyRows(block.Layer, outputGradients, inputs, _rows.Scale, direction);
                if (_options.KlClip is not null)
                {
                    _inverses.ProductOfRows(block.Layer, outputGradients, inputs, _rows.Scale, direction, _products.Slice(block.Layer, 1));
                }
            }
            else if (block.Layer >= 0)
            {
                _inverses.Apply(block.Layer, gradient, direction);
            }
        }
    }

    private void ClipByKl(ParameterSet parameters, bool byRows, double learningRate)
    {
        if (_options.KlClip is not { } clip)
        {
            return;
        }

        double scale = KlScale(clip, learningRate, SumOfProducts(parameters, byRows));
        for (int i = 0; scale < 1 && i < parameters.Blocks.Count; i++)
        {
            if (parameters.Blocks[i].Layer >= 0)
            {
                MatrixView<float> direction = ParameterSet.View(_direction, parameters.Blocks[i]);
                Elementwise.Axpby(_stream, (float)scale, direction, 0, direction);
            }
        }
    }

    /// <summary><c>min(1, √(κ/(η² Σ_ℓ ⟨∇W_ℓ, ΔW_ℓ⟩)))</c>; 1 where rounding leaves the sum at or below 0.</summary>
    private static double KlScale(double clip, double learningRate, double product)
    {
        double kl = learningRate * learningRate * product;
        return kl > clip ? Math.Sqrt(clip / kl) : 1;
    }

    /// <summary><c>Σ_ℓ ⟨∇W_ℓ, ΔW_ℓ⟩</c>; those of layers given by rows have been computed with their directions.</summary>
    private double SumOfProducts(ParameterSet parameters, bool byRows)
    {
        for (int i = 0; i < parameters.Blocks.Count; i++)
        {
            ParameterBlock block = parameters.Blocks[i];
            if (block.Layer >= 0 && !(byRows && _rows.IsKept(block.Layer)))
            {
                Reduction.Dot(
                    _stream, parameters.GradientsOf(block), ParameterSet.View(_direction, block), _products.Slice(block.Layer, 1));
            }
        }

        _stream.Download(_products, _hostProducts);
        double sum = 0;
        foreach (double product in _hostProducts)
        {
            sum += product;
        }

        return sum;
    }
}
