using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The Kronecker factors of a model, averaged over time.</summary>
/// <remarks>
/// The average with bias correction, <c>Â_t = m·Â_{t−1} + (1−m)·A_t</c> read as <c>Â_t/(1−m^t)</c>, is kept in the form
/// in which it is read: <c>Ā_t = k_t·Ā_{t−1} + (1−k_t)·A_t</c> with <c>k_t = m(1−m^{t−1})/(1−m^t)</c>. So the first
/// update stores A_1 itself, and m = 0 always the current batch alone.
/// <para>A batch with a NaN or an infinity is refused before any average is touched.</para>
/// </remarks>
public sealed class KroneckerFactors : IStateful, IDisposable
{
    private readonly ICurvatureModel _model;
    private readonly FactorOptions _options;
    private readonly Arena _arena;
    private readonly NonFiniteGuard _guard;
    private readonly KroneckerPair[] _pairs;
    private readonly InputCollector _inputs;
    private readonly GradientCollector? _gradients;
    private readonly FactorRowCollector[]? _inputRows;
    private readonly FactorRowCollector[]? _gradientRows;
    private readonly FactorRowCollector[]? _stagedGradientRows;
    private readonly StepRecorder _gather;
    private readonly StepRecorder _average;
    private readonly bool _keepsRows;
    private DeviceKey _key;
    private int _searchedBefore;
    private double _keep;
    private bool _trainingPassBegun;
    private bool _delivered;
    private long _updates;

    /// <summary>Makes room for the factors of every layer; they are zero until the first update.</summary>
    /// <param name="device">Where the model's rows lie.</param>
    /// <param name="reduction">Whether B describes the sum of the loss's terms, or their mean.</param>
    /// <exception cref="ArgumentException">An option is out of range, or names a layer that the model lacks.</exception>
    public KroneckerFactors(
        Device device, ICurvatureModel model, FactorOptions options, LossReduction reduction = LossReduction.Sum)
        : this(device, model, options, reduction, keepRows: false)
    {
    }

    /// <param name="keepRows">Whether factors of few rows are left as rows (<see cref="KroneckerPair.RowsOfA"/>); wants a moving
    /// average of 0.</param>
    internal KroneckerFactors(Device device, ICurvatureModel model, FactorOptions options, LossReduction reduction, bool keepRows)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        OptionCheck.Defined(reduction, nameof(reduction));
        _model = model;
        _options = options;
        var layers = new CaptureLayers(model, options);
        bool hasGradients = options.Kind != CurvatureKind.ForwardOnly;
        int samples = options.Kind == CurvatureKind.MonteCarlo ? options.Samples : 1;
        DeviceStream stream = device.DefaultStream;
        _arena = new Arena(device);
        _pairs = AllocatePairs(stream, _arena, model.Layers, hasGradients);
        _guard = new NonFiniteGuard(stream, Math.Max(16, 4 * layers.Count));
        _keepsRows = keepRows;
        _gather = new StepRecorder(stream, GatherCore, () => _guard.SearchesSince(_searchedBefore));
        _average = new StepRecorder(stream, AverageCore);
        if (keepRows)
        {
            _inputRows = [.. model.Layers.Select(layer => new FactorRowCollector(stream, layer.FactorInputWidth, layer.HasBias))];
            _gradientRows = [.. model.Layers.Select(layer => new FactorRowCollector(stream, layer.OutputWidth, false))];
            _stagedGradientRows = [.. model.Layers.Select(layer => new FactorRowCollector(stream, layer.OutputWidth, false))];
        }

        _inputs = new InputCollector(stream, layers, _pairs, reduction, _guard, _inputRows);
        _gradients = hasGradients
            ? new GradientCollector(stream, layers, samples, reduction, _guard, _gradientRows, _stagedGradientRows)
            : null;
    }

    /// <summary>The factors of every layer, in the order of the model's layers. The views change with each update.</summary>
    public ReadOnlySpan<KroneckerPair> Pairs => _pairs;

    /// <summary>Number of updates t so far.</summary>
    public long Updates => _updates;

    /// <summary>Starts a pass whose output gradients the next <see cref="Update"/> will take for B instead of asking the
    /// model for a pass of its own, and returns where to deliver them.</summary>
    /// <exception cref="InvalidOperationException">The kind is not <see cref="CurvatureKind.Empirical"/>.</exception>
    public ICaptureSink BeginTrainingPass()
    {
        if (_options.Kind != CurvatureKind.Empirical || _gradients is null)
        {
            throw new InvalidOperationException(
                $"The training pass has the gradients of the empirical Fisher, but the kind is {_options.Kind}.");
        }

        _gradients.Begin();
        _trainingPassBegun = true;
        return _gradients;
    }

    /// <summary>Adds the factors of the model's last forward pass to the averages.</summary>
    /// <param name="key">Random numbers of the Monte-Carlo samples.</param>
    /// <exception cref="NonFiniteCaptureException">An input or gradient is not finite; the averages are untouched.</exception>
    /// <exception cref="InvalidOperationException">A layer handed over nothing; the averages are untouched.</exception>
    public void Update(DeviceKey key)
    {
        Gather(key);
        _guard.ThrowIfFound();
        Commit();
    }

    /// <summary>Captures what an update needs and looks for NaN and infinity in it, which <see cref="Guard"/> tells. No average is
    /// touched.</summary>
    /// <param name="key">As in <see cref="Update"/>. Where it is completed on the device, the work may be replayed.</param>
    internal void Gather(DeviceKey key)
    {
        _delivered = _trainingPassBegun && _gradients?.HasAny == true;
        _trainingPassBegun = false;
        _key = key;
        _searchedBefore = _delivered ? _guard.Count : 0;
        _guard.Clear(_searchedBefore);
        if (_gather.Run(Mark(_delivered ? 1u : 0u, (uint)_searchedBefore, _gradients?.IsExchanged == true ? 1u : 0u)))
        {
            _guard.Clear(_searchedBefore);
            _guard.Replayed((NonFiniteGuard.Searched[])_gather.Note!);
            _gradients?.Replayed();
        }

        _gradients?.RequireAll();
    }

    /// <summary>Adds what was captured last to the averages.</summary>
    internal void Commit()
    {
        _keep = Keep(_options.MovingAverage, _updates + 1);
        _average.Run(Mark(BitConverter.DoubleToUInt64Bits(_keep), _gradients?.IsExchanged == true ? 1u : 0u, 0));
        _gradients?.Exchange(_keep, _pairs);
        _updates++;
    }

    /// <summary>What has been searched for NaN and infinity.</summary>
    internal NonFiniteGuard Guard => _guard;

    /// <summary>How often capturing and averaging were replayed.</summary>
    internal (long Gathered, long Averaged) Replays => (_gather.Replays, _average.Replays);

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Integer("factors.updates", ref _updates);
        _inputs.Forget();
        for (int layer = 0; layer < _pairs.Length; layer++)
        {
            string name = _model.Layers[layer].Name;
            visitor.Vector($"factors.a.{name}", _pairs[layer].A.AsVector());
            if (!_pairs[layer].B.IsEmpty)
            {
                visitor.Vector($"factors.b.{name}", _pairs[layer].B.AsVector());
            }

            if (_inputRows is not null && _gradientRows is not null)
            {
                _inputRows[layer].VisitState(visitor, $"factors.a.{name}");
                _gradientRows[layer].VisitState(visitor, $"factors.b.{name}");
                _pairs[layer] = _pairs[layer] with { RowsOfA = _inputRows[layer].Rows, RowsOfB = _gradientRows[layer].Rows };
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _gather.Dispose();
        _average.Dispose();
        _gradients?.Dispose();
        _inputs.Dispose();
        foreach (FactorRowCollector collector in (FactorRowCollector[])[.. _inputRows ?? [], .. _gradientRows ?? [], .. _stagedGradientRows ?? []])
        {
            collector.Dispose();
        }

        _guard.Dispose();
        _arena.Dispose();
    }

    /// <summary>k_t = m(1 − m^{t−1})/(1 − m^t).</summary>
    internal static double Keep(double m, long t) => m == 0 ? 0 : m * (1 - Math.Pow(m, t - 1)) / (1 - Math.Pow(m, t));

    private static KroneckerPair[] AllocatePairs(
        DeviceStream stream, Arena arena, IReadOnlyList<KroneckerLayer> layers, bool withOutputs)
    {
        var pairs = new KroneckerPair[layers.Count];
        for (int layer = 0; layer < pairs.Length; layer++)
        {
            int inputs = layers[layer].FactorInputWidth;
            int outputs = layers[layer].OutputWidth;
            bool hasB = withOutputs || layers[layer].HasDiagonalOutput;
            pairs[layer] = new KroneckerPair(
                arena.Matrix<float>(inputs, inputs), hasB ? arena.Matrix<float>(layers[layer].FactorOutputRows, outputs) : default);
            Elementwise.Fill(stream, 0, pairs[layer].A);
            Elementwise.Fill(stream, 0, pairs[layer].B);
        }

        return pairs;
    }

    /// <summary>Stands for what the work of an update depends on; null where it cannot be replayed.</summary>
    private ulong? Mark(ulong first, ulong second, ulong third) =>
        !_keepsRows && _options.Clock is null && _model.PassMark is { } pass
            ? StepRecorder.Mix(StepRecorder.Mix(StepRecorder.Mix(StepRecorder.Mix(0, pass), first), second), third)
            : null;

    private void GatherCore()
    {
        _guard.Clear(_searchedBefore);
        if (!_delivered && _gradients is not null)
        {
            _gradients.Begin();
            StepPhase outer = _options.Clock?.Begin(StepPhase.CurvaturePass) ?? default;
            _model.CaptureOutputGradients(_options.Kind, _options.Samples, _key, _gradients);
            _options.Clock?.Begin(outer);
        }

        _inputs.Count();
    }

    private void AverageCore()
    {
        _inputs.Accumulate(_keep);
        _gradients?.Average(_keep, _pairs);
    }
}
