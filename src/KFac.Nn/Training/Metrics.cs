using System.Text.Json.Serialization;
using KFac.Engine;

namespace KFac.Nn;

/// <summary>How well a network does, as averages over images.</summary>
/// <param name="TrainLoss">Mean loss in nats per image on training images.</param>
/// <param name="ValidationLoss">The same on validation images.</param>
/// <param name="TrainAccuracy">Share of training images classified right; null for reconstruction.</param>
/// <param name="ValidationAccuracy">The same on validation images.</param>
/// <param name="TrainSquaredError">Mean over training images of <c>Σ_pixels (x̂ − x)²</c>; null for classification.</param>
/// <param name="ValidationSquaredError">The same on validation images.</param>
public readonly record struct Metrics(
    double TrainLoss,
    double ValidationLoss,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? TrainAccuracy,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? ValidationAccuracy,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? TrainSquaredError,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? ValidationSquaredError)
{
    /// <summary>A metric by its name in <see cref="Workload.MetricNames"/>.</summary>
    /// <exception cref="ArgumentException">There is no such metric here.</exception>
    public double Get(string name) => name switch
    {
        "trainLoss" => TrainLoss,
        "validationLoss" => ValidationLoss,
        "trainAccuracy" => TrainAccuracy,
        "validationAccuracy" => ValidationAccuracy,
        "trainSquaredError" => TrainSquaredError,
        "validationSquaredError" => ValidationSquaredError,
        _ => null,
    } ?? throw new ArgumentException($"There is no metric '{name}'.", nameof(name));
}

/// <summary>The metrics at one point of training.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Seconds">Since the run began, pauses between resumptions left out.</param>
public readonly record struct Evaluation(long Step, double Seconds, Metrics Metrics);

/// <summary>The evaluations of a run, in order.</summary>
public sealed class TrainingHistory : IStateful
{
    private readonly List<Evaluation> _evaluations = [];

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<Evaluation> Evaluations => _evaluations;

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        long count = _evaluations.Count;
        visitor.Integer("evaluations", ref count);
        while (_evaluations.Count > count)
        {
            _evaluations.RemoveAt(_evaluations.Count - 1);
        }

        for (int i = 0; i < count; i++)
        {
            Evaluation visited = Visit(visitor, i < _evaluations.Count ? _evaluations[i] : default);
            if (i < _evaluations.Count)
            {
                _evaluations[i] = visited;
            }
            else
            {
                _evaluations.Add(visited);
            }
        }
    }

    internal void Add(Evaluation evaluation) => _evaluations.Add(evaluation);

    private static Evaluation Visit(IStateVisitor visitor, Evaluation evaluation)
    {
        long step = evaluation.Step;
        double seconds = evaluation.Seconds;
        visitor.Integer("step", ref step);
        visitor.Real("seconds", ref seconds);
        Metrics metrics = evaluation.Metrics;
        return new Evaluation(step, seconds, new Metrics(
            Visit(visitor, "trainLoss", metrics.TrainLoss) ?? double.NaN,
            Visit(visitor, "validationLoss", metrics.ValidationLoss) ?? double.NaN,
            Visit(visitor, "trainAccuracy", metrics.TrainAccuracy),
            Visit(visitor, "validationAccuracy", metrics.ValidationAccuracy),
            Visit(visitor, "trainSquaredError", metrics.TrainSquaredError),
            Visit(visitor, "validationSquaredError", metrics.ValidationSquaredError)));
    }

    /// <summary>A metric that does not apply is stored as NaN; metrics that apply are finite.</summary>
    private static double? Visit(IStateVisitor visitor, string name, double? value)
    {
        double real = value ?? double.NaN;
        visitor.Real(name, ref real);
        return double.IsNaN(real) ? null : real;
    }
}
