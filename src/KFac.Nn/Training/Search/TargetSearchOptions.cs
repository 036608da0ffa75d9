using System.Globalization;

namespace KFac.Nn;

/// <summary>Settings of <see cref="TargetSearch"/>.</summary>
public sealed record TargetSearchOptions
{
    /// <summary>Model and data.</summary>
    public required Workload Workload { get; init; }

    /// <summary>The metric that is searched for; null for the workload's first one beside the loss, on the validation part.</summary>
    public string? Metric { get; init; }

    /// <summary>Trials of every optimizer.</summary>
    public int Trials { get; init; } = 10;

    /// <summary>Steps of a reference optimizer's runs.</summary>
    public int Steps { get; init; } = 400;

    /// <summary>Steps of K-FAC's runs as a share of <see cref="Steps"/>; its schedule is as much shorter.</summary>
    public double KfacShare { get; init; } = 0.75;

    /// <summary>Share of a run that warms up; the rest decays by a cosine.</summary>
    public double WarmupShare { get; init; } = 0.05;

    /// <summary>Steps from one evaluation to the next.</summary>
    public int EvaluationInterval { get; init; } = 20;

    /// <summary>Trials of each optimizer that are repeated, the best ones.</summary>
    public int Finalists { get; init; } = 2;

    /// <summary>Times that a finalist is run again, with seeds that the search did not use.</summary>
    public int Repetitions { get; init; } = 3;

    /// <summary>Of the trials, and of all runs of the search.</summary>
    public ulong Seed { get; init; }

    /// <summary>Largest norm of the gradient in every run; null for none.</summary>
    public double? GradientClip { get; init; }

    /// <summary>The metric by its full name.</summary>
    public string MetricName => Metric ?? Workload.Metrics[Math.Min(1, Workload.Metrics.Count - 1)].NameIn(DataPart.Validation);

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        Workload.Validate();
        Require(Trials >= 1, "number of trials", Trials, "at least 1");
        Require(Finalists >= 1, "number of finalists", Finalists, "at least 1");
        Require(Repetitions >= 1, "number of repetitions", Repetitions, "at least 1");
        Require(EvaluationInterval >= 1, "evaluation interval", EvaluationInterval, "at least 1");
        Require(KfacShare is > 0 and <= 1, "share of K-FAC's steps", KfacShare, "above 0 and at most 1");
        Require(WarmupShare is >= 0 and < 1, "share of the warm-up", WarmupShare, "at least 0 and less than 1");
        Require(Steps * KfacShare >= EvaluationInterval, "number of steps", Steps, "at least an evaluation interval for K-FAC");
        if (!Workload.MetricNames.Contains(MetricName))
        {
            throw new ArgumentException($"The metric is '{MetricName}'; {Workload.Name} has {string.Join(", ", Workload.MetricNames)}.");
        }
    }

    private static void Require(bool isValid, string name, IFormattable value, string wanted)
    {
        if (!isValid)
        {
            throw new ArgumentException($"The {name} is {value.ToString(null, CultureInfo.InvariantCulture)}; wanted {wanted}.");
        }
    }
}
