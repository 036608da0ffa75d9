namespace KFac.Nn;

/// <summary>The check that all model builders share.</summary>
internal static class LayerWidths
{
    /// <summary>At least an input and an output, all at least 1.</summary>
    /// <exception cref="ArgumentException">Names the first offending width.</exception>
    public static void Validate(IReadOnlyList<int> widths)
    {
        ArgumentNullException.ThrowIfNull(widths);
        if (widths.Count < 2)
        {
            throw new ArgumentException($"{widths.Count} widths were given; wanted at least the input's and the output's.", nameof(widths));
        }

        for (int i = 0; i < widths.Count; i++)
        {
            if (widths[i] < 1)
            {
                throw new ArgumentException($"Width {i} is {widths[i]}; wanted at least 1.", nameof(widths));
            }
        }
    }
}
