using System.Globalization;

namespace KFac.Nn;

/// <summary>Ends a run once a metric is good enough: at or above the value where more is better, else at or below it.</summary>
/// <param name="Metric">One of the workload's <see cref="Workload.MetricNames"/>.</param>
/// <param name="Value">What it has to reach.</param>
public sealed record TrainingTarget(string Metric, double Value)
{
    /// <summary>Reads <c>METRIC=VALUE</c>.</summary>
    /// <exception cref="ArgumentException">The text is of another form, or the value not a finite number.</exception>
    public static TrainingTarget Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split('=');
        return parts.Length == 2
            && double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            && double.IsFinite(value)
            ? new TrainingTarget(parts[0], value)
            : throw new ArgumentException($"The target is '{text}'; wanted METRIC=VALUE, for example validationAccuracy=0.97.");
    }

    /// <summary>Whether the metrics are good enough.</summary>
    public bool IsReached(Metrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return MetricDefinition.IsHigherBetter(Metric) ? metrics.Get(Metric) >= Value : metrics.Get(Metric) <= Value;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Metric}={Value}");
}
