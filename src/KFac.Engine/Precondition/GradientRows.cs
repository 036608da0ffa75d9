using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Keeps the rows of a training pass for the layers that are cheaper to precondition by rows than by their gradient.</summary>
/// <remarks>
/// Rows are copied, with the 1 of a bias, since the pass reuses its memory; a layer used several times collects all its
/// uses. A layer with more rows than pay, or without any, is left to its gradient. Rows are good for one step, and only
/// while <see cref="GradientSeal"/> finds the gradients as the pass left them.
/// </remarks>
internal sealed class GradientRows : ITrainingSink, IDisposable
{
    private readonly DeviceStream _stream;
    private readonly IReadOnlyList<KroneckerLayer> _layers;
    private readonly Arena _arena;
    private readonly int _parameters;
    private readonly RowStore[] _inputs;
    private readonly RowStore[] _gradients;
    private readonly int[] _most;
    private readonly bool[] _exceeded;
    private ICaptureSink? _factors;
    private GradientSeal? _seal;
    private double _scale;
    private bool _keepsNothing;

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
        _gradients = [.. layers.Select(layer => new RowStore(stream, layer.OutputWidth))];
        _exceeded = new bool[layers.Count];
    }

    /// <summary>What the rows' product must be multiplied by.</summary>
    public float Scale => (float)_scale;

    public bool MayBeLeftOut => _keepsNothing && _factors is null;

    /// <summary>Forgets all rows.</summary>
    /// <param name="factors">Takes the output gradients of the next pass for B; null for nobody.</param>
    public void Reset(ICaptureSink? factors)
    {
        _factors = factors;
        BeginPass();
    }

    public void BeginPass()
    {
        _seal?.Break();
        _scale = 1;
        Array.Clear(_exceeded);
        for (int layer = 0; layer < _inputs.Length; layer++)
        {
            _inputs[layer].Clear();
            _gradients[layer].Clear();
        }
    }

    public void Inputs(int layer, in LayerRows rows) =>
        throw new InvalidOperationException("The model handed over inputs where output gradients were asked for.");

    public void OutputGradients(int layer, in LayerRows rows) => _factors?.OutputGradients(layer, rows);

    public void WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients)
    {
        Check(layer, inputs, outputGradients);
        _exceeded[layer] |= (long)_inputs[layer].Count + inputs.Rows > _most[layer];
        if (_exceeded[layer])
        {
            return;
        }

        MatrixView<float> kept = _inputs[layer].Append(inputs.Rows);
        Elementwise.Copy(_stream, inputs, kept.Slice(0, 0, inputs.Rows, inputs.Columns));
        if (_layers[layer].HasBias)
        {
            Elementwise.Fill(_stream, 1, kept.Slice(0, inputs.Columns, inputs.Rows, 1));
        }

        Elementwise.Copy(_stream, outputGradients, _gradients[layer].Append(inputs.Rows));
    }

    public void EndPass(ParameterSet parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        _keepsNothing = false;
        for (int layer = 0; layer < _inputs.Length; layer++)
        {
            if (IsKept(layer))
            {
                _seal ??= new GradientSeal(_stream, _arena, _parameters);
                _seal.Close(parameters);
                return;
            }
        }

        _keepsNothing = true;
    }

    public void ScaleGradients(ParameterSet parameters, float factor)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        bool holds = Hold(parameters);
        MatrixView<float> gradients = parameters.Gradients.AsMatrix(1, parameters.Gradients.Length);
        Elementwise.Axpby(_stream, factor, gradients, 0, gradients);
        if (holds)
        {
            _scale *= factor;
            _seal!.Close(parameters);
        }
    }

    /// <summary>Whether the rows still make the gradients, which are then finite.</summary>
    public bool Hold(ParameterSet parameters) => _seal?.Holds(parameters) == true;

    /// <summary>The layer's rows of inputs, extended by the 1 of a bias, and of output gradients; false where there are none.</summary>
    public bool TryGet(int layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients)
    {
        bool kept = IsKept(layer);
        inputs = kept ? _inputs[layer].Rows : default;
        outputGradients = kept ? _gradients[layer].Rows : default;
        return kept;
    }

    public void Dispose()
    {
        foreach (RowStore store in _inputs.Concat(_gradients))
        {
            store.Dispose();
        }

        _arena.Dispose();
    }

    private bool IsKept(int layer) => !_exceeded[layer] && _inputs[layer].Count > 0;

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
