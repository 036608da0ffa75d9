using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Keeps the rows of a training pass for the layers that are cheaper to precondition by rows than by their gradient.</summary>
/// <remarks>
/// <see cref="KeptRows"/> holds the rows; a layer with more than pay, or without any, is left to its gradient. Rows are good for
/// one step. They are taken in place of the gradients where the pass allows it, else good only while <see cref="GradientSeal"/>
/// finds the gradients as the pass left them.
/// </remarks>
internal sealed class GradientRows : ITrainingSink, IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly int _parameters;
    private readonly KeptRows _rows;
    private readonly NonFiniteGuard _guard;
    private ICaptureSink? _factors;
    private GradientSeal? _seal;
    private double _scale;
    private bool _keepsNothing;
    private bool _mayTake;
    private Gradients _gradients;

    /// <param name="most">By layer, the most rows that are kept.</param>
    /// <param name="parameters">Number of parameters.</param>
    public GradientRows(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, int[] most, int parameters)
    {
        _stream = stream;
        _arena = new Arena(stream.Device);
        _parameters = parameters;
        _rows = new KeptRows(stream, layers, most);
        _guard = new NonFiniteGuard(stream, Math.Max(16, 3 * layers.Count));
    }

    private enum Gradients
    {
        /// <summary>All stand in the parameter set.</summary>
        Formed,

        /// <summary>Those of the layers that are kept are their rows' products.</summary>
        Taken,

        /// <summary>Those of some layers were taken, and the step has used them up.</summary>
        Used,
    }

    /// <summary>What the rows' product must be multiplied by.</summary>
    public float Scale => (float)_scale;

    /// <summary>By layer, the number of rows that it is given by; 0 for those that are not.</summary>
    public ReadOnlySpan<int> Counts => _rows.Counts;

    public bool MayBeLeftOut => _keepsNothing && _factors is null;

    /// <summary>Forgets all rows.</summary>
    /// <param name="factors">Takes the output gradients of the next pass for B; null for nobody.</param>
    public void Reset(ICaptureSink? factors)
    {
        _factors = factors;
        BeginPass(mayTake: false);
    }

    /// <summary>The step has been made: its rows are used up, and with them the gradients that they were taken for.</summary>
    public void Use()
    {
        bool taken = _gradients == Gradients.Taken;
        Reset(null);
        _gradients = taken ? Gradients.Used : Gradients.Formed;
    }

    public void BeginPass(bool mayTake)
    {
        _seal?.Break();
        _mayTake = mayTake;
        _gradients = Gradients.Formed;
        _scale = 1;
        _rows.Clear();
    }

    public void Inputs(int layer, in LayerRows rows) =>
        throw new InvalidOperationException("The model handed over inputs where output gradients were asked for.");

    public void OutputGradients(int layer, in LayerRows rows) => _factors?.OutputGradients(layer, rows);

    public bool WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients) =>
        _rows.TryAppend(layer, inputs, outputGradients) && _mayTake;

    public void EndPass(ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _keepsNothing = true;
        for (int i = 0; i < parameters.Blocks.Count; i++)
        {
            ParameterBlock block = parameters.Blocks[i];
            if (block.Layer < 0)
            {
                continue;
            }

            _keepsNothing &= !IsKept(block.Layer);
            if (_mayTake && _rows.IsCutShort(block.Layer))
            {
                Form(parameters, block, beta: 1);
            }
        }

        if (!_keepsNothing && _mayTake)
        {
            _gradients = Gradients.Taken;
        }
        else if (!_keepsNothing)
        {
            Seal(parameters);
        }
    }

    public void FormGradients(ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ThrowIfUsed();
        if (_gradients != Gradients.Taken)
        {
            return;
        }

        _gradients = Gradients.Formed;
        for (int i = 0; i < parameters.Blocks.Count; i++)
        {
            ParameterBlock block = parameters.Blocks[i];
            if (block.Layer >= 0 && IsKept(block.Layer))
            {
                Form(parameters, block, beta: 0);
            }
        }

        Seal(parameters);
    }

    public void ScaleGradients(ParameterSet parameters, float factor)
    {
        FormGradients(parameters);
        bool holds = Hold(parameters);
        MatrixView<float> gradients = parameters.Gradients.AsMatrix(1, parameters.Gradients.Length);
        Elementwise.Axpby(_stream, factor, gradients, 0, gradients);
        if (holds)
        {
            _scale *= factor;
            _seal!.Close(parameters);
        }
    }

    /// <summary>Whether the rows make the gradients: they were taken for them, or still do, and then the gradients are finite.</summary>
    /// <exception cref="NonFiniteCaptureException">A row that was taken, or a gradient beside them, is not finite.</exception>
    /// <exception cref="InvalidOperationException">A step has used up the rows that were taken.</exception>
    public bool Hold(ParameterSet parameters)
    {
        ThrowIfUsed();
        if (_gradients != Gradients.Taken)
        {
            return _seal?.Holds(parameters) == true;
        }

        ThrowIfNotFinite(parameters);
        return true;
    }

    /// <summary>The layer's rows of inputs, extended by the 1 of a bias, and of output gradients; false where there are none.</summary>
    public bool TryGet(int layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients)
    {
        bool kept = IsKept(layer);
        inputs = kept ? _rows.Inputs(layer) : default;
        outputGradients = kept ? _rows.OutputGradients(layer) : default;
        return kept;
    }

    public void Dispose()
    {
        _rows.Dispose();
        _guard.Dispose();
        _arena.Dispose();
    }

    /// <summary>Whether the layer is given by rows.</summary>
    public bool IsKept(int layer) => _rows.IsKept(layer);

    private void Seal(ParameterSet parameters)
    {
        _seal ??= new GradientSeal(_stream, _arena, _parameters);
        _seal.Close(parameters);
    }

    private void Form(ParameterSet parameters, ParameterBlock block, float beta) => Gemm.Run(
        _stream,
        Transpose.Yes,
        Transpose.No,
        Scale,
        _rows.OutputGradients(block.Layer),
        _rows.Inputs(block.Layer),
        beta,
        parameters.GradientsOf(block));

    /// <summary>Looks through the rows that were taken, and the gradients of all other parameters.</summary>
    private void ThrowIfNotFinite(ParameterSet parameters)
    {
        _guard.Clear();
        for (int i = 0; i < parameters.Blocks.Count; i++)
        {
            ParameterBlock block = parameters.Blocks[i];
            if (block.Layer < 0 || !IsKept(block.Layer))
            {
                _guard.Search(block.Name, "weight gradients", parameters.GradientsOf(block));
            }
        }

        _rows.Search(_guard);
        _guard.ThrowIfFound();
    }

    private void ThrowIfUsed()
    {
        if (_gradients == Gradients.Used)
        {
            throw new InvalidOperationException(
                "The last pass left its gradients as rows, which a step has used; run another pass with the optimizer's TrainingPassSink.");
        }
    }
}
