namespace KFac.Engine;

/// <summary>Numbers the factors of all layers that are inverted on their own: A of each layer, followed by its B where that is inverted.</summary>
internal sealed class FactorSlots
{
    private readonly IReadOnlyList<KroneckerLayer> _layers;
    private readonly int[] _layerOf;
    private readonly int[] _slotOfA;

    public FactorSlots(IReadOnlyList<KroneckerLayer> layers, DampingStyle style)
    {
        _layers = layers;
        _slotOfA = new int[layers.Count + 1];
        for (int layer = 0; layer < layers.Count; layer++)
        {
            bool hasB = style != DampingStyle.InputOnly || layers[layer].HasDiagonalOutput;
            _slotOfA[layer + 1] = _slotOfA[layer] + (hasB ? 2 : 1);
        }

        _layerOf = [.. Enumerable.Range(0, layers.Count).SelectMany(layer => Enumerable.Repeat(layer, _slotOfA[layer + 1] - _slotOfA[layer]))];
    }

    public int Count => _layerOf.Length;

    public int OfA(int layer) => _slotOfA[layer];

    /// <summary>Whether the layer's B is inverted; its slot is then the one behind A's.</summary>
    public bool HasB(int layer) => _slotOfA[layer + 1] - _slotOfA[layer] == 2;

    public int LayerOf(int slot) => _layerOf[slot];

    public bool IsA(int slot) => _slotOfA[_layerOf[slot]] == slot;

    /// <summary>Whether the factor is given by its diagonal.</summary>
    public bool IsDiagonal(int slot) => !IsA(slot) && _layers[_layerOf[slot]].HasDiagonalOutput;

    public int WidthOf(int slot) => IsA(slot) ? _layers[_layerOf[slot]].FactorInputWidth : _layers[_layerOf[slot]].OutputWidth;
}
