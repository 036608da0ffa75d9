using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The rows of inputs and of output gradients that a training pass has handed over, of those layers that have few.</summary>
/// <remarks>Rows are copied, with the 1 of a bias, since the pass reuses its memory; a layer used several times collects all its
/// uses, up to the one that is too many.</remarks>
/// <param name="most">By layer, the most rows that are kept.</param>
internal sealed class KeptRows(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, int[] most) : IDisposable
{
    private readonly RowStore[] _inputs = [.. layers.Select(layer => new RowStore(stream, layer.FactorInputWidth))];
    private readonly RowStore[] _outputGradients = [.. layers.Select(layer => new RowStore(stream, layer.OutputWidth))];
    private readonly bool[] _exceeded = new bool[layers.Count];
    private readonly int[] _counts = new int[layers.Count];

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

    /// <summary>Whether the layer is given by rows.</summary>
    public bool IsKept(int layer) => !_exceeded[layer] && _inputs[layer].Count > 0;

    /// <summary>Whether there are rows of the layer's first uses, but not of all.</summary>
    public bool IsCutShort(int layer) => _exceeded[layer] && _inputs[layer].Count > 0;

    /// <summary>Rows of the layer's inputs, extended by the 1 of a bias.</summary>
    public MatrixView<float> Inputs(int layer) => _inputs[layer].Rows;

    /// <summary>Rows of the gradients of the layer's outputs.</summary>
    public MatrixView<float> OutputGradients(int layer) => _outputGradients[layer].Rows;

    /// <summary>Forgets all rows.</summary>
    public void Clear()
    {
        Array.Clear(_exceeded);
        for (int layer = 0; layer < _inputs.Length; layer++)
        {
            _inputs[layer].Clear();
            _outputGradients[layer].Clear();
        }
    }

    /// <summary>Adds the rows of one use of a layer; false where that makes them too many, and for its uses after that.</summary>
    /// <exception cref="ArgumentException">There is no such layer, or a shape is wrong.</exception>
    public bool TryAppend(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients)
    {
        Check(layer, inputs, outputGradients);
        _exceeded[layer] |= (long)_inputs[layer].Count + inputs.Rows > most[layer];
        if (_exceeded[layer])
        {
            return false;
        }

        MatrixView<float> kept = _inputs[layer].Append(inputs.Rows);
        Elementwise.Copy(stream, inputs, kept.Slice(0, 0, inputs.Rows, inputs.Columns));
        if (layers[layer].HasBias)
        {
            Elementwise.Fill(stream, 1, kept.Slice(0, inputs.Columns, inputs.Rows, 1));
        }

        Elementwise.Copy(stream, outputGradients, _outputGradients[layer].Append(inputs.Rows));
        return true;
    }

    /// <summary>Looks through the rows of all layers that are given by them.</summary>
    public void Search(NonFiniteGuard guard)
    {
        Search(guard, _inputs, "inputs");
        Search(guard, _outputGradients, "output gradients");
    }

    public void Dispose()
    {
        foreach (RowStore store in _inputs.Concat(_outputGradients))
        {
            store.Dispose();
        }
    }

    private void Search(NonFiniteGuard guard, RowStore[] rows, string quantity)
    {
        for (int layer = 0; layer < rows.Length; layer++)
        {
            if (IsKept(layer))
            {
                guard.Search(layers[layer].Name, quantity, rows[layer].Rows);
            }
        }
    }

    private void Check(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients)
    {
        if ((uint)layer >= (uint)layers.Count)
        {
            throw new ArgumentException($"Layer {layer} handed over rows, but the model has {layers.Count} layers.");
        }

        KroneckerLayer description = layers[layer];
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
