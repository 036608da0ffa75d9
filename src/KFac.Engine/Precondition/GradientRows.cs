using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Keeps the rows of a training pass for the layers that are cheaper to precondition by rows than by their gradient.</summary>
/// <remarks>
/// Rows are copied, with the 1 of a bias, since the pass reuses its memory; a layer used several times collects all its
/// uses. A layer with more rows than pay, or without any, is left to its gradient. Rows are good for one step. They are taken in
/// place of the gradients where the pass allows it, else good only while <see cref="GradientSeal"/> finds the gradients as the pass left them.
/// </remarks>
internal sealed class GradientRows : ITrainingSink, IDisposable
{
    private readonly DeviceStream _stream;
    private readonly IReadOnlyList<KroneckerLayer> _layers;
    private readonly Arena _arena;
    private readonly int _parameters;
    private readonly RowStore[] _inputs;
    private readonly RowStore[] _outputGradients;
    private readonly NonFiniteGuard _guard;
    private readonly int[] _most;
    private readonly bool[] _exceeded;
    private readonly int[] _counts;
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
        _layers = layers;
        _most = most;
        _arena = new Arena(stream.Device);
        _parameters = parameters;
        _inputs = [.. layers.Select(layer => new RowStore(stream, layer.FactorInputWidth))];
        _guard = new NonFiniteGuard(stream, Math.Max(16, 3 * layers.Count));
        _outputGradients = [.. layers.Select(layer => new RowStore(stream, layer.OutputWidth))];
        _exceeded = new bool[layers.Count];
        _counts = new int[layers.Count];
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
    public ReadOnlySpan<int> Counts
    {
        get
        {
            for (int layer = 0; layer < _counts.Length; layer++)
            {
                _counts[layer] = IsKept(layer) ? _inputs[layer].Count : 0;
            }

            return _counts;
        }
    }

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
        Array.Clear(_exceeded);
        for (int layer = 0; layer < _inputs.Length; layer++)
        {
            _inputs[layer].Clear();
            _outputGradients[layer].Clear();
        }
    }

    public void Inputs(int layer, in LayerRows rows) =>
        throw new InvalidOperationException("The model handed over inputs where output gradients were asked for.");

    public void OutputGradients(int layer, in LayerRows rows) => _factors?.OutputGradients(layer, rows);

    public bool WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients)
    {
        Check(layer, inputs, outputGradients);
        _exceeded[layer] |= (long)_inputs[layer].Count + inputs.Rows > _most[layer];
        if (_exceeded[layer])
        {
            return false;
        }

        MatrixView<float> kept = _inputs[layer].Append(inputs.Rows);
        Elementwise.Copy(_stream, inputs, kept.Slice(0, 0, inputs.Rows, inputs.Columns));
        if (_layers[layer].HasBias)
        {
            Elementwise.Fill(_stream, 1, kept.Slice(0, inputs.Columns, inputs.Rows, 1));
        }

        Elementwise.Copy(_stream, outputGradients, _outputGradients[layer].Append(inputs.Rows));
        return _mayTake;
    }

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
            if (_mayTake && _exceeded[block.Layer] && _inputs[block.Layer].Count > 0)
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
        inputs = kept ? _inputs[layer].Rows : default;
        outputGradients = kept ? _outputGradients[layer].Rows : default;
        return kept;
    }

    public void Dispose()
    {
        foreach (RowStore store in _inputs.Concat(_outputGradients))
        {
            store.Dispose();
        }

        _guard.Dispose();
        _arena.Dispose();
    }

    /// <summary>Whether the layer is given by rows.</summary>
    public bool IsKept(int layer) => !_exceeded[layer] && _inputs[layer].Count > 0;

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
        _outputGradients[block.Layer].Rows,
        _inputs[block.Layer].Rows,
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

        SearchRows(_inputs, "inputs");
        SearchRows(_outputGradients, "output gradients");
        _guard.ThrowIfFound();
    }

    private void SearchRows(RowStore[] rows, string quantity)
    {
        for (int layer = 0; layer < rows.Length; layer++)
        {
            if (IsKept(layer))
            {
                _guard.Search(_layers[layer].Name, quantity, rows[layer].Rows);
            }
        }
    }

    private void ThrowIfUsed()
    {
        if (_gradients == Gradients.Used)
        {
            throw new InvalidOperationException(
                "The last pass left its gradients as rows, which a step has used; run another pass with the optimizer's TrainingPassSink.");
        }
    }

    private void Check(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients)
    {
        if ((uint)layer >= (uint)_layers.Count)
        {
            throw new ArgumentException($"Layer {layer} handed over rows, but the model has {_layers.Count} layers.");
        }

        KroneckerLayer description = _layers[layer];
        if (inputs.Columns != description.InputWidth
            || outputGradients.Columns != description.OutputWidth
            || inputs.Rows != outputGradients.Rows)
        {
            throw new ArgumentException(
                $"Layer '{description.Name}' handed over inputs {inputs} and output gradients {outputGradients}; "
                + $"wanted equally many rows of widths {description.InputWidth} and {description.OutputWidth}.");
        }
    }
}
