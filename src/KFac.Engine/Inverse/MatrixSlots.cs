using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The slots of <see cref="FactorInverses"/> that hold a damped inverse as a matrix, or the Cholesky factor that is applied in its
/// place: one of either in use, and room for the next.</summary>
/// <param name="widths">By slot; 0 for a slot that has no matrix.</param>
/// <param name="mayFactor">Whether Cholesky factors may be kept.</param>
internal sealed class MatrixSlots(DeviceStream stream, Arena arena, int[] widths, bool mayFactor)
{
    private readonly VectorView<float>[] _inUse = Allocate(stream, arena, widths, mayFactor);
    private readonly VectorView<float>[] _spares = Allocate(stream, arena, widths, mayFactor);
    private readonly bool[] _swapped = new bool[widths.Length];
    private readonly bool[] _isPendingFactor = new bool[widths.Length];
    private readonly long[] _isFactor = new long[widths.Length];

    /// <summary>Whether the device gains by Cholesky factors, and is meant to keep them.</summary>
    private readonly bool _mayChoose = mayFactor && CholeskySolve.PaysForFewVectors(stream);

    /// <summary>By slot, a Cholesky factor that a checkpoint of another device brought to one that itself keeps inverses, and has no room for
    /// factors. Always at one place, so that <see cref="Mark"/> stands for it.</summary>
    private readonly VectorView<float>[] _restored = new VectorView<float>[widths.Length];

    /// <summary>Chooses what the slot's next inverse is made of.</summary>
    /// <param name="uses">Gradients that it will be applied to.</param>
    /// <param name="vectors">In each of them.</param>
    public void Choose(int slot, long uses, long vectors) => _isPendingFactor[slot] = _mayChoose && SolveCost.Pays(widths[slot], uses * vectors);

    /// <summary>Whether the slot's next inverse is a Cholesky factor.</summary>
    public bool IsPendingFactor(int slot) => _isPendingFactor[slot];

    /// <summary>Where the slot's next inverse goes.</summary>
    public MatrixView<float> PendingInverse(int slot) => Inverse(_spares[slot], slot);

    /// <summary>Where the Cholesky factor of the slot's next inverse goes.</summary>
    public VectorView<float> PendingFactor(int slot) => Factor(_spares[slot], slot);

    /// <summary>Takes what is pending into use.</summary>
    public void Accept(int slot)
    {
        (_inUse[slot], _spares[slot]) = (_spares[slot], _inUse[slot]);
        _swapped[slot] ^= true;
        _isFactor[slot] = _isPendingFactor[slot] ? 1 : 0;
    }

    /// <summary>Takes a multiple of the identity for the inverse.</summary>
    public void StandIn(int slot, float scale)
    {
        ScaledIdentity.Write(stream, scale, Inverse(_inUse[slot], slot));
        _isFactor[slot] = 0;
    }

    /// <summary>Multiplies by the slot's inverse.</summary>
    /// <param name="solves">Takes the product where a factor makes the inverse; null to compute it at once.</param>
    public void Multiply(int slot, MatrixSide side, MatrixView<float> v, MatrixView<float> result, SolveBatch? solves)
    {
        if (_isFactor[slot] != 0 && solves is not null)
        {
            solves.Add(new CholeskySolveProduct(side, FactorInUse(slot), v, result));
            return;
        }

        if (_isFactor[slot] != 0)
        {
            CholeskySolve.Apply(stream, side, FactorInUse(slot), v, result);
            return;
        }

        MatrixView<float> inverse = Inverse(_inUse[slot], slot);
        bool isLeft = side == MatrixSide.Left;
        Gemm.Run(stream, Transpose.No, Transpose.No, 1, isLeft ? inverse : v, isLeft ? v : inverse, 0, result);
    }

    /// <summary>Stands for where the slot's inverse lies, and for its form.</summary>
    public ulong Mark(int slot) => (_swapped[slot] ? 1UL : 0) | (_isFactor[slot] != 0 ? 2UL : 0);

    /// <summary>Visits the inverse in use. A Cholesky factor is restored to any device, and applied until the next inverse takes its place.</summary>
    public void VisitState(int slot, IStateVisitor visitor, string name)
    {
        if (mayFactor)
        {
            visitor.Integer($"{name}.isFactor", ref _isFactor[slot]);
        }

        if (_isFactor[slot] == 0)
        {
            visitor.Vector(name, Inverse(_inUse[slot], slot).AsVector());
            return;
        }

        if (!_mayChoose && _restored[slot].Length == 0)
        {
            _restored[slot] = arena.Vector<float>(CholeskySolve.FactorLength(widths[slot]));
        }

        visitor.Vector(name, FactorInUse(slot));
    }

    private static VectorView<float>[] Allocate(DeviceStream stream, Arena arena, int[] widths, bool mayFactor)
    {
        var memory = new VectorView<float>[widths.Length];
        bool factors = mayFactor && CholeskySolve.PaysForFewVectors(stream);
        for (int slot = 0; slot < memory.Length; slot++)
        {
            int width = widths[slot];
            memory[slot] = arena.Vector<float>(factors && SolveCost.Pays(width, 0) ? CholeskySolve.FactorLength(width) : checked(width * width));
            Elementwise.Fill(stream, 0, memory[slot].AsMatrix(1, memory[slot].Length));
        }

        return memory;
    }

    private MatrixView<float> Inverse(VectorView<float> memory, int slot) =>
        memory.Slice(0, widths[slot] * widths[slot]).AsMatrix(widths[slot], widths[slot]);

    private VectorView<float> FactorInUse(int slot) => _mayChoose ? Factor(_inUse[slot], slot) : _restored[slot];

    private VectorView<float> Factor(VectorView<float> memory, int slot) => memory.Slice(0, CholeskySolve.FactorLength(widths[slot]));
}
