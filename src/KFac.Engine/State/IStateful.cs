using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Something whose state belongs in a checkpoint: one method serves saving and loading.</summary>
public interface IStateful
{
    /// <summary>Shows every piece of state to the visitor, always the same pieces in the same order.</summary>
    void VisitState(IStateVisitor visitor);
}

/// <summary>Saves, or restores in place, the state it is shown. Names are unique within one <see cref="IStateful"/>.</summary>
public interface IStateVisitor
{
    /// <summary>A device vector; restoring overwrites its elements.</summary>
    /// <param name="name">The same for saving and restoring.</param>
    /// <param name="view">As long as when it was saved.</param>
    void Vector(string name, VectorView<float> view);

    /// <summary>A whole number.</summary>
    void Integer(string name, ref long value);

    /// <summary>A real number.</summary>
    void Real(string name, ref double value);
}
