namespace KFac.Nn;

/// <summary>A run cannot go on, for example because its loss is no longer finite.</summary>
/// <param name="step">The step that failed, counted from 1.</param>
public sealed class TrainingException(string message, long step) : Exception(message)
{
    /// <summary>The step that failed, counted from 1.</summary>
    public long Step { get; } = step;
}
