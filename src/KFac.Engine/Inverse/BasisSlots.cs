using KFac.Kernels;

namespace KFac.Engine;

/// <summary>A factor's eigenvalues, ascending, and its eigenvectors, the columns.</summary>
internal readonly record struct EigenBasis(VectorView<float> Values, MatrixView<float> Vectors)
{
    /// <summary>Whether the vectors are those of a diagonal matrix, and not stored.</summary>
    public bool IsIdentity => Vectors.IsEmpty;
}

/// <summary>The eigenbases of all factors: those in use, room for the next, and their extreme eigenvalues.</summary>
/// <remarks>Slot 2·l is A of layer l, and 2·l + 1 its B. A diagonal B has the identity for its basis, and itself for its values.</remarks>
internal sealed class BasisSlots
{
    private readonly DeviceStream _stream;
    private readonly EigenBasis[] _inUse;
    private readonly EigenBasis[] _spares;
    private readonly bool[] _swapped;
    private readonly DiagonalFactor?[] _diagonals;
    private readonly int[] _denseSlots;
    private readonly VectorView<float> _extremes;
    private readonly float[] _hostExtremes;

    public BasisSlots(DeviceStream stream, Arena arena, IReadOnlyList<KroneckerLayer> layers)
    {
        int slots = 2 * layers.Count;
        _stream = stream;
        _inUse = new EigenBasis[slots];
        _spares = new EigenBasis[slots];
        _swapped = new bool[slots];
        _diagonals = new DiagonalFactor?[slots];
        _denseSlots = [.. Enumerable.Range(0, slots).Where(slot => IsA(slot) || !layers[slot / 2].HasDiagonalOutput)];
        _extremes = arena.Vector<float>(2 * slots);
        _hostExtremes = new float[2 * slots];
        for (int slot = 0; slot < slots; slot++)
        {
            KroneckerLayer layer = layers[slot / 2];
            int width = IsA(slot) ? layer.FactorInputWidth : layer.OutputWidth;
            if (!IsA(slot) && layer.HasDiagonalOutput)
            {
                var diagonal = new DiagonalFactor(stream, arena, width, layer.FactorInputWidth);
                _diagonals[slot] = diagonal;
                _inUse[slot] = new EigenBasis(diagonal.Values, default);
                continue;
            }

            _inUse[slot] = Allocate(arena, width);
            _spares[slot] = Allocate(arena, width);
            Elementwise.Fill(stream, 0, _inUse[slot].Vectors);
            Elementwise.Fill(stream, 0, AsRow(_inUse[slot].Values));
        }
    }

    /// <summary>Slots of factors that are no diagonals.</summary>
    public ReadOnlySpan<int> DenseSlots => _denseSlots;

    /// <summary>Stands for where the bases in use lie.</summary>
    public ulong Mark
    {
        get
        {
            ulong mark = 0;
            foreach (bool swapped in _swapped)
            {
                mark = StepRecorder.Mix(mark, swapped ? 1UL : 0);
            }

            return mark;
        }
    }

    public static bool IsA(int slot) => slot % 2 == 0;

    public EigenBasis InUse(int slot) => _inUse[slot];

    /// <summary>Where the next basis of a dense slot goes.</summary>
    public EigenBasis Pending(int slot) => _spares[slot];

    /// <summary>The slot's factor where it is given by its diagonal, else null.</summary>
    public DiagonalFactor? DiagonalOf(int slot) => _diagonals[slot];

    /// <summary>Takes what is pending into use; eigenvalues that rounding has made negative become 0.</summary>
    public void Accept(int slot)
    {
        (_inUse[slot], _spares[slot]) = (_spares[slot], _inUse[slot]);
        _swapped[slot] ^= true;
        MatrixView<float> values = AsRow(_inUse[slot].Values);
        Activation.Forward(_stream, ActivationKind.Relu, values, values);
    }

    /// <summary>Takes the identity for the basis, with every eigenvalue at the mean.</summary>
    public void StandIn(int slot, double mean)
    {
        if (!_inUse[slot].IsIdentity)
        {
            ScaledIdentity.Write(_stream, 1, _inUse[slot].Vectors);
        }

        Elementwise.Fill(_stream, double.IsFinite(mean) ? (float)mean : float.MaxValue, AsRow(_inUse[slot].Values));
    }

    /// <summary>The smallest eigenvalue that was read last.</summary>
    public float SmallestOf(int slot) => _hostExtremes[2 * slot];

    /// <summary>The largest eigenvalue that was read last.</summary>
    public float LargestOf(int slot) => _hostExtremes[(2 * slot) + 1];

    /// <summary>Reads the extreme eigenvalues of all bases in use.</summary>
    public void ReadExtremes()
    {
        ReadExtremes(_inUse);
        for (int slot = 0; slot < _diagonals.Length; slot++)
        {
            if (_diagonals[slot] is { } diagonal)
            {
                (_hostExtremes[2 * slot], _hostExtremes[(2 * slot) + 1]) = diagonal.Extremes(AsRow(diagonal.Values));
            }
        }
    }

    /// <summary>Reads the extreme eigenvalues of the dense slots' pending bases.</summary>
    public void ReadPendingExtremes() => ReadExtremes(_spares);

    /// <param name="name">Of the slot's factor.</param>
    public void VisitState(int slot, IStateVisitor visitor, string name)
    {
        visitor.Vector($"bases.values.{name}", _inUse[slot].Values);
        if (!_inUse[slot].IsIdentity)
        {
            visitor.Vector($"bases.vectors.{name}", _inUse[slot].Vectors.AsVector());
        }
    }

    private static EigenBasis Allocate(Arena arena, int width) => new(arena.Vector<float>(width), arena.Matrix<float>(width, width));

    private static MatrixView<float> AsRow(VectorView<float> values) => values.AsMatrix(1, values.Length);

    /// <summary>Reads the smallest and the largest eigenvalue of every slot, which are ascending, in one copy.</summary>
    private void ReadExtremes(EigenBasis[] bases)
    {
        foreach (int slot in _denseSlots)
        {
            MatrixView<float> values = AsRow(bases[slot].Values);
            MatrixView<float> extremes = AsRow(_extremes.Slice(2 * slot, 2));
            Elementwise.Copy(_stream, values.Slice(0, 0, 1, 1), extremes.Slice(0, 0, 1, 1));
            Elementwise.Copy(_stream, values.Slice(0, values.Columns - 1, 1, 1), extremes.Slice(0, 1, 1, 1));
        }

        _stream.Download(_extremes, _hostExtremes);
    }
}
