namespace KFac.Nn;

/// <summary>A range in which the logarithm of a hyper-parameter is spread evenly.</summary>
/// <param name="Low">Above 0.</param>
/// <param name="High">At least <paramref name="Low"/>.</param>
public readonly record struct LogRange(double Low, double High)
{
    /// <summary>The value at a fraction of the way, 0 to 1: <c>Low·(High/Low)^fraction</c>.</summary>
    public double At(double fraction) => Low * Math.Pow(High / Low, fraction);

    /// <summary>From a factor below a value to the same factor above it.</summary>
    public static LogRange Around(double value, double factor) => new(value / factor, value * factor);

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Low:0.##e+0} to {High:0.##e+0}");
}
