using KFac.Kernels;

namespace KFac.Engine.Tests;

/// <summary>A checkpoint in memory: saves every piece of state by name, or restores it.</summary>
internal sealed class MemoryState(Device device) : IStateVisitor
{
    private readonly Dictionary<string, object> _values = [];
    private bool _restores;
    private Device? _target;

    public IReadOnlyCollection<string> Names => _values.Keys;

    public void Save(IStateful stateful)
    {
        _restores = false;
        _values.Clear();
        stateful.VisitState(this);
    }

    /// <param name="onto">The device to restore to; null for the one that the state was saved on.</param>
    public void Restore(IStateful stateful, Device? onto = null)
    {
        _target = onto;
        _restores = true;
        stateful.VisitState(this);
    }

    public void Vector(string name, VectorView<float> view)
    {
        if (_restores)
        {
            (_target ?? device).DefaultStream.Upload<float>((float[])_values[name], view);
        }
        else
        {
            _values.Add(name, device.Read(view));
        }
    }

    public void Integer(string name, ref long value) => Scalar(name, ref value);

    public void Real(string name, ref double value) => Scalar(name, ref value);

    private void Scalar<T>(string name, ref T value)
        where T : struct
    {
        if (_restores)
        {
            value = (T)_values[name];
        }
        else
        {
            _values.Add(name, value);
        }
    }
}
