using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The slots of <see cref="FactorInverses"/> whose factors are given by rows: those that are in use, and those that are being inverted.</summary>
/// <param name="widths">By slot, the factor's width.</param>
internal sealed class DualSlots(DeviceStream stream, int[] widths) : IDisposable
{
    private readonly DualFactor?[] _inUse = new DualFactor?[widths.Length];
    private readonly DualFactor?[] _spares = new DualFactor?[widths.Length];
    private readonly bool[] _isPending = new bool[widths.Length];
    private readonly long[] _isInUse = new long[widths.Length];

    /// <summary>Whether the slot's next inverse is that of a small system.</summary>
    public bool IsPending(int slot) => _isPending[slot];

    /// <summary>Whether a small system makes the slot's inverse.</summary>
    public bool IsInUse(int slot) => _isInUse[slot] != 0;

    /// <summary>The factor that is being inverted.</summary>
    public DualFactor Pending(int slot) => _spares[slot]!;

    /// <summary>Takes the factor's rows where it has any.</summary>
    public void Load(int slot, in FactorRows rows)
    {
        _isPending[slot] = rows.AreGiven;
        if (rows.AreGiven)
        {
            DualFactor spare = _spares[slot] ??= new DualFactor(stream, widths[slot]);
            spare.Load(rows);
        }
    }

    /// <summary>Goes back to the matrix: the slot is inverted as such.</summary>
    public void Leave(int slot) => _isPending[slot] = false;

    /// <summary>The slot's new inverse is good: the small one where one was pending, else the matrix.</summary>
    /// <returns>Whether it is the small one.</returns>
    public bool Accept(int slot, double damping)
    {
        if (_isPending[slot])
        {
            (_inUse[slot], _spares[slot]) = (_spares[slot], _inUse[slot]);
            _inUse[slot]!.Damping = damping;
        }

        _isInUse[slot] = _isPending[slot] ? 1 : 0;
        return _isPending[slot];
    }

    /// <summary>Multiplies by the slot's inverse where a small system makes it.</summary>
    public bool TryApply(int slot, MatrixSide side, MatrixView<float> v, MatrixView<float> result)
    {
        if (_isInUse[slot] == 0)
        {
            return false;
        }

        _inUse[slot]!.Apply(side, v, result);
        return true;
    }

    public void VisitState(int slot, IStateVisitor visitor, string name)
    {
        visitor.Integer($"{name}.isDual", ref _isInUse[slot]);
        if (_isInUse[slot] != 0)
        {
            DualFactor factor = _inUse[slot] ??= new DualFactor(stream, widths[slot]);
            factor.VisitState(visitor, name);
        }
    }

    public void Dispose()
    {
        foreach (DualFactor? factor in _inUse.Concat(_spares))
        {
            factor?.Dispose();
        }
    }
}
