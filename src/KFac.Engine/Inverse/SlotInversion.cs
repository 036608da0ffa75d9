using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Inverts the slots of <see cref="FactorInverses"/> that are pending, all together: matrices, the small matrices of rows, and
/// matrices of which the Cholesky factor is enough.</summary>
/// <remarks>A slot that fails stays pending, for another precision or more damping.</remarks>
/// <param name="dampings">By slot, λ.</param>
/// <param name="isGood">By slot, becomes 1 where an inverse has been taken into use.</param>
internal sealed class SlotInversion(DeviceStream stream, Arena arena, MatrixSlots matrices, DualSlots dual, double[] dampings, long[] isGood)
{
    private readonly DampedInverseItem[] _inversions = new DampedInverseItem[dampings.Length];
    private readonly CholeskySolveItem[] _factorings = new CholeskySolveItem[dampings.Length];
    private readonly MatrixView<float>[] _factors = new MatrixView<float>[dampings.Length];
    private readonly VectorView<int> _status = arena.Vector<int>(dampings.Length);
    private readonly int[] _hostStatus = new int[dampings.Length];
    private readonly int[] _pending = new int[dampings.Length];
    private int _count;

    /// <summary>Slots that have not been inverted, in their order.</summary>
    public ReadOnlySpan<int> Pending => _pending.AsSpan(0, _count);

    /// <summary>Forgets all slots.</summary>
    public void Clear() => _count = 0;

    /// <summary>Adds a slot; slots are added in their order.</summary>
    /// <param name="factor">The matrix to be inverted.</param>
    public void Add(int slot, MatrixView<float> factor)
    {
        _pending[_count++] = slot;
        _factors[slot] = factor;
    }

    /// <summary>Inverts what is pending, and takes into use what succeeds.</summary>
    public void Run(InversePrecision precision)
    {
        if (_count == 0)
        {
            return;
        }

        (int inversions, int factorings) = Collect();
        if (inversions > 0)
        {
            DampedInverse.Run(stream, _inversions.AsSpan(0, inversions), _status.Slice(0, inversions), precision);
        }

        if (factorings > 0)
        {
            CholeskySolve.Factor(stream, _factorings.AsSpan(0, factorings), _status.Slice(inversions, factorings), precision);
        }

        stream.Download(_status.Slice(0, _count), _hostStatus.AsSpan(0, _count));
        Accept(inversions);
    }

    private bool IsFactoring(int slot) => !dual.IsPending(slot) && matrices.IsPendingFactor(slot);

    private (int Inversions, int Factorings) Collect()
    {
        (int inversions, int factorings) = (0, 0);
        foreach (int slot in Pending)
        {
            float damping = (float)dampings[slot];
            if (IsFactoring(slot))
            {
                _factorings[factorings++] = new CholeskySolveItem(_factors[slot], damping, matrices.PendingFactor(slot));
            }
            else
            {
                MatrixView<float> inverse = dual.IsPending(slot) ? dual.Pending(slot).Inverse : matrices.PendingInverse(slot);
                _inversions[inversions++] = new DampedInverseItem(_factors[slot], damping, inverse);
            }
        }

        return (inversions, factorings);
    }

    /// <param name="factoring">Where the status of the first factoring stands.</param>
    private void Accept(int factoring)
    {
        (int inversion, int failed) = (0, 0);
        foreach (int slot in Pending)
        {
            int status = _hostStatus[IsFactoring(slot) ? factoring++ : inversion++];
            if (status != 0)
            {
                _pending[failed++] = slot;
                continue;
            }

            isGood[slot] = 1;
            if (!dual.Accept(slot, dampings[slot]))
            {
                matrices.Accept(slot);
            }
        }

        _count = failed;
    }
}
