namespace KFac.Engine;

/// <summary>Counts numerical events by layer and kind.</summary>
internal sealed class NumericalEventLog(IReadOnlyList<KroneckerLayer> layers, Action<NumericalEvent>? onEvent) : IStateful
{
    private static readonly string[] s_names = ["retriedInDouble", "dampingIncreased", "keptLastInverse", "usedScaledIdentity", "restartedBasis"];

    private readonly long[] _counts = new long[layers.Count * s_names.Length];

    public void Record(int layer, string factor, NumericalEventKind kind)
    {
        _counts[(layer * s_names.Length) + (int)kind]++;
        onEvent?.Invoke(new NumericalEvent(layers[layer].Name, factor, kind));
    }

    /// <summary>The counts above 0.</summary>
    public IReadOnlyList<NumericalEventCount> ToCounts()
    {
        var result = new List<NumericalEventCount>();
        for (int i = 0; i < _counts.Length; i++)
        {
            if (_counts[i] > 0)
            {
                result.Add(new NumericalEventCount(layers[i / s_names.Length].Name, s_names[i % s_names.Length], _counts[i]));
            }
        }

        return result;
    }

    public void VisitState(IStateVisitor visitor)
    {
        for (int i = 0; i < _counts.Length; i++)
        {
            visitor.Integer($"events.{s_names[i % s_names.Length]}.{layers[i / s_names.Length].Name}", ref _counts[i]);
        }
    }
}
