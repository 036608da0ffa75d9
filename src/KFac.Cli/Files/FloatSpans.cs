namespace KFac.Cli;

/// <summary>Search for numbers that are not finite.</summary>
internal static class FloatSpans
{
    /// <summary>Index of the first NaN or infinity; −1 if there is none.</summary>
    public static int IndexOfNonFinite(ReadOnlySpan<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                return i;
            }
        }

        return -1;
    }
}
