namespace KFac.Reference;

/// <summary>The element-wise chains of Fixup networks, from their equations.</summary>
public static class FixupReference
{
    /// <summary>max(x + a, 0) + b.</summary>
    public static double[] Activate(double[] x, double before, double after) => Array.ConvertAll(x, v => Math.Max(v + before, 0) + after);

    /// <summary>∂x, ∂a, ∂b.</summary>
    public static (double[] Input, double Before, double After) ActivateBackward(double[] x, double before, double[] outputGradient)
    {
        double[] input = [.. outputGradient.Select((g, i) => x[i % x.Length] + before > 0 ? g : 0)];
        return (input, input.Sum(), outputGradient.Sum());
    }

    /// <summary>skip + s·(m·x + b).</summary>
    public static double[] Join(double[] skip, double[] x, double multiplier, double bias, double scale) =>
        [.. skip.Select((v, i) => v + (scale * ((multiplier * x[i]) + bias)))];

    /// <summary>∂x, ∂m, ∂b.</summary>
    public static (double[] Input, double Multiplier, double Bias) JoinBackward(
        double[] x, double multiplier, double scale, double[] outputGradient) => (
        Array.ConvertAll(outputGradient, g => scale * multiplier * g),
        scale * outputGradient.Select((g, i) => g * x[i % x.Length]).Sum(),
        scale * outputGradient.Sum());
}
