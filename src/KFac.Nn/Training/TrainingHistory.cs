using KFac.Engine;

namespace KFac.Nn;

/// <summary>The metrics at one point of training.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Seconds">Since the run began, pauses between resumptions left out.</param>
public readonly record struct Evaluation(long Step, double Seconds, Metrics Metrics);

/// <summary>The evaluations of a run, in order.</summary>
/// <param name="names">Of the metrics of every evaluation.</param>
public sealed class TrainingHistory(IReadOnlyList<string> names) : IStateful
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
            Evaluation visited = Visit(visitor, i < _evaluations.Count ? _evaluations[i] : null);
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

    private Evaluation Visit(IStateVisitor visitor, Evaluation? evaluation)
    {
        long step = evaluation?.Step ?? 0;
        double seconds = evaluation?.Seconds ?? 0;
        visitor.Integer("step", ref step);
        visitor.Real("seconds", ref seconds);
        var values = new double[names.Count];
        evaluation?.Metrics.Values.CopyTo(values);
        for (int i = 0; i < values.Length; i++)
        {
            visitor.Real(names[i], ref values[i]);
        }

        return new Evaluation(step, seconds, new Metrics(names, values));
    }
}
