namespace KFac.Engine;

/// <summary>Finds layers that multiply the same rows, as the projections of attention to queries, keys and values do: their factors A
/// are one matrix, to the bit, and computing it once is enough.</summary>
/// <remarks>That holds of averages only while both have averaged the same rows since they were last started anew. Of averages that were
/// restored it is found out by looking at them, once.</remarks>
/// <param name="areEqual">Whether two layers' A are the same now, to the bit.</param>
internal sealed class SharedInputs(CaptureLayers layers, Func<int, int, bool> areEqual)
{
    private readonly int?[] _sources = new int?[layers.Count];
    private readonly bool[] _hasImages = new bool[layers.Count];
    private readonly int[] _uses = new int[layers.Count];
    private readonly int[] _first = new int[layers.Count];
    private readonly int[] _agreed = [.. Enumerable.Repeat(-1, layers.Count)];
    private readonly int[] _copied = new int[layers.Count];
    private readonly bool[] _parted = new bool[layers.Count];

    /// <summary>Forgets the last forward pass.</summary>
    public void Begin()
    {
        Array.Clear(_sources);
        Array.Clear(_uses);
        Array.Fill(_first, -1);
    }

    /// <summary>Takes note of what a layer hands over.</summary>
    /// <returns>Whether another layer has handed over the same rows before.</returns>
    public bool Note(int layer, in LayerRows inputs)
    {
        _uses[layer]++;
        if (inputs.Source is not { } source)
        {
            return false;
        }

        bool known = false;
        for (int other = 0; other < _sources.Length; other++)
        {
            if (_sources[other] == source)
            {
                known = true;
                if (_first[layer] < 0 && other != layer && HaveOneFactor(layer, other, inputs))
                {
                    _first[layer] = other;
                }
            }
        }

        _sources[layer] = source;
        _hasImages[layer] = inputs.Convolution is not null;
        return known;
    }

    /// <summary>The averages are about to be updated.</summary>
    /// <param name="keep">What is kept of them; 0 starts them anew.</param>
    public void BeginUpdate(double keep)
    {
        Array.Fill(_copied, -1);
        for (int layer = 0; layer < _first.Length; layer++)
        {
            int first = _first[layer];
            if (keep == 0 || (first >= 0 && _agreed[layer] != first && !_parted[layer] && areEqual(layer, first)))
            {
                _agreed[layer] = first;
            }
        }
    }

    /// <summary>The layer whose updated A is this layer's, too; −1 where it must be computed.</summary>
    public int CopyOf(int layer)
    {
        int first = _first[layer];
        bool isCopy = first >= 0 && _agreed[layer] == first && _uses[layer] == 1 && _uses[first] == 1;
        _copied[layer] = isCopy ? first : -1;
        return _copied[layer];
    }

    /// <summary>The averages have been updated: those that were not copied have parted, or never were one.</summary>
    public void EndUpdate()
    {
        _copied.CopyTo(_agreed, 0);
        for (int layer = 0; layer < _parted.Length; layer++)
        {
            _parted[layer] = _copied[layer] < 0;
        }
    }

    /// <summary>The averages may be others than before.</summary>
    public void Forget()
    {
        Array.Fill(_agreed, -1);
        Array.Clear(_parted);
    }

    /// <summary>Whether the same rows make the same factor in both.</summary>
    private bool HaveOneFactor(int layer, int other, in LayerRows inputs) =>
        inputs.Convolution is null
        && !_hasImages[other]
        && _first[other] < 0
        && layers[layer].HasBias == layers[other].HasBias
        && !layers[layer].HasDiagonalOutput
        && !layers[other].HasDiagonalOutput
        && layers.ApproximationOf(layer) == layers.ApproximationOf(other);
}
