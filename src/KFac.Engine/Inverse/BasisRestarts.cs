using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Which updates of <see cref="EigenbasisInverses"/> start from the last basis, and which from scratch.</summary>
/// <remarks>Where a basis was of no use, the next updates of its slot start from scratch: one at first, then twice as many each
/// time, up to <see cref="LongestWait"/>.</remarks>
internal sealed class BasisRestarts(int slots)
{
    /// <summary>Most updates that start from scratch before the last basis is tried again.</summary>
    private const int LongestWait = 8;

    private readonly long[] _waits = new long[slots];
    private readonly long[] _waited = new long[slots];

    /// <summary>Whether the slot's next update starts from its basis.</summary>
    public bool IsWarm(int slot) => _waited[slot] == _waits[slot];

    /// <summary>Decides how many updates of a slot start from scratch before its basis is tried again.</summary>
    /// <param name="route">How the last one went.</param>
    /// <param name="hasFailed">Whether it gave no basis at all.</param>
    public void Note(int slot, EigenRoute route, bool hasFailed)
    {
        switch (route)
        {
            case EigenRoute.FellBack when !hasFailed:
                _waits[slot] = Math.Clamp(2 * _waits[slot], 1, LongestWait);
                _waited[slot] = 0;
                break;
            case EigenRoute.Decomposed when _waited[slot] < _waits[slot]:
                _waited[slot]++;
                break;
            case EigenRoute.Kept or EigenRoute.Refined:
                _waits[slot] = 0;
                _waited[slot] = 0;
                break;
        }
    }

    /// <param name="name">Of the slot's factor.</param>
    public void VisitState(int slot, IStateVisitor visitor, string name)
    {
        visitor.Integer($"bases.waits.{name}", ref _waits[slot]);
        visitor.Integer($"bases.waited.{name}", ref _waited[slot]);
    }
}
