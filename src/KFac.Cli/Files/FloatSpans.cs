namespace KFac.Cli;

/// <summary>Search for numbers that are not finite.</summary>
internal static class FloatSpans
{
    /// <summary>Index of the first NaN or infinity; −1 if there is none.</summary>
    public static int IndexOfNonFinite(this Span<float> values) => IndexOfNonFinite((ReadOnlySpan<float>)values);

    /// <inheritdoc cref="IndexOfNonFinite(Span{float})"/>
    public static int IndexOfNonFinite(this ReadOnlySpan<float> values)
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
