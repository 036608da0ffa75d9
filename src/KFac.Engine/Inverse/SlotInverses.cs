using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The inverses of <see cref="FactorInverses"/> that are in use, each in the form that suits its factor: a matrix or a Cholesky
/// factor (<see cref="MatrixSlots"/>), a small system of rows (<see cref="DualSlots"/>), a diagonal.</summary>
internal sealed class SlotInverses : IDisposable
{
    private readonly IReadOnlyList<KroneckerLayer> _layers;
    private readonly FactorSlots _slots;
    private readonly InverseOptions _options;
    private readonly DiagonalFactor?[] _diagonals;

    public SlotInverses(DeviceStream stream, Arena arena, IReadOnlyList<KroneckerLayer> layers, FactorSlots slots, InverseOptions options)
    {
        _layers = layers;
        _slots = slots;
        _options = options;
        _diagonals = new DiagonalFactor?[slots.Count];
        Dual = new DualSlots(stream, [.. Enumerable.Range(0, slots.Count).Select(slots.WidthOf)]);
        int[] matrixWidths = [.. Enumerable.Range(0, slots.Count).Select(slot => slots.IsDiagonal(slot) ? 0 : slots.WidthOf(slot))];
        Matrices = new MatrixSlots(stream, arena, matrixWidths, options.Uses is not null);
        for (int slot = 0; slot < slots.Count; slot++)
        {
            if (slots.IsDiagonal(slot))
            {
                int columns = layers[slots.LayerOf(slot)].FactorInputWidth;
                _diagonals[slot] = new DiagonalFactor(stream, arena, slots.WidthOf(slot), columns);
            }
        }
    }

    public MatrixSlots Matrices { get; }

    public DualSlots Dual { get; }

    /// <summary>Stands for where the inverses lie, and for their forms; null where a small system makes one.</summary>
    public ulong? Mark
    {
        get
        {
            ulong mark = 0;
            for (int slot = 0; slot < _slots.Count; slot++)
            {
                if (Dual.IsInUse(slot))
                {
                    return null;
                }

                mark = StepRecorder.Mix(mark, _diagonals[slot]?.Mark ?? Matrices.Mark(slot));
            }

            return mark;
        }
    }

    /// <summary>The slot's factor where it is given by its diagonal, else null.</summary>
    public DiagonalFactor? DiagonalOf(int slot) => _diagonals[slot];

    /// <summary>Chooses between inverse and Cholesky factor for each slot, by the vectors that will meet it.</summary>
    /// <param name="rows">By layer, rows that the next gradients have; 0, or none at all, where they are matrices.</param>
    public void ChooseForms(ReadOnlySpan<int> rows)
    {
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            int layer = _slots.LayerOf(slot);
            int vectors = rows.IsEmpty ? 0 : rows[layer];
            if (vectors == 0)
            {
                vectors = _slots.IsA(slot) ? _layers[layer].OutputWidth : _layers[layer].FactorInputWidth;
            }

            Matrices.Choose(slot, _options.Uses ?? 0, vectors);
        }
    }

    /// <summary>Multiplies by a slot's inverse, <c>(factor + λI)⁻¹·v</c> or <c>v·(factor + λI)⁻¹</c>.</summary>
    /// <param name="solves">As in <see cref="MatrixSlots.Multiply"/>.</param>
    public void Multiply(MatrixSide side, int slot, MatrixView<float> v, MatrixView<float> result, SolveBatch? solves = null)
    {
        if (Dual.TryApply(slot, side, v, result))
        {
            return;
        }

        if (_diagonals[slot] is { } diagonal)
        {
            diagonal.Apply(v, result);
            return;
        }

        Matrices.Multiply(slot, side, v, result, solves);
    }

    /// <summary>Takes <c>I/scale</c> for the slot's inverse; 0 where the scale is not finite, so that the layer stands still until its
    /// factor is usable.</summary>
    public void StandIn(int slot, double scale)
    {
        if (_diagonals[slot] is { } diagonal)
        {
            diagonal.StandIn(scale);
            return;
        }

        double inverse = 1 / scale;
        Matrices.StandIn(slot, double.IsFinite(inverse) ? (float)inverse : 0);
    }

    /// <param name="name">Of the slot's factor.</param>
    public void VisitState(int slot, IStateVisitor visitor, string name)
    {
        if (_diagonals[slot] is { } diagonal)
        {
            diagonal.VisitState(visitor, $"inverses.{name}");
            return;
        }

        Matrices.VisitState(slot, visitor, $"inverses.{name}");
        if (_options.AcceptsRows)
        {
            Dual.VisitState(slot, visitor, $"inverses.dual.{name}");
        }
    }

    public void Dispose() => Dual.Dispose();
}
