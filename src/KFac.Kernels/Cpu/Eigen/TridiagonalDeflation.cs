using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>The first half of a <see cref="TridiagonalMerge"/>: finds what of <c>diag(d) + ρ·z·zᵀ</c> is diagonal already, and sorts
/// the rows of the rest by where they are not zero.</summary>
/// <remarks>Components with negligible weight, and one of each pair of nearly equal poles after a rotation, deflate. What is dropped is
/// at most 8·ε·‖T‖ each, as in LAPACK's laed2.</remarks>
internal unsafe struct TridiagonalDeflation
{
    private const double RelativeTolerance = 8.0 / (1 << 24);

    private readonly TridiagonalWorkspace _work;
    private readonly int _low;
    private readonly int _middle;
    private readonly int _high;
    private readonly double _tolerance;
    private double _rho;
    private int _kept;
    private int _dropped;
    private int _leftRows;
    private int _mixedRows;

    public TridiagonalDeflation(in TridiagonalWorkspace work, double norm, int low, int middle, int high)
    {
        _work = work;
        _tolerance = RelativeTolerance * norm;
        _low = low;
        _middle = middle;
        _high = high;
    }

    private enum RowKind : byte
    {
        Left,
        Mixed,
        Right,
    }

    /// <summary>ρ.</summary>
    public readonly double Rho => _rho;

    /// <summary>Rows that stay.</summary>
    public readonly int Kept => _kept;

    /// <summary>Of those, rows that are zero in the second half's columns, which come first.</summary>
    public readonly int LeftRows => _leftRows;

    /// <summary>Rows that are zero nowhere, which follow.</summary>
    public readonly int MixedRows => _mixedRows;

    /// <summary>Leaves poles and weights of the rows that stay in Poles and SecularWeights, ascending, and in the order of their groups in
    /// GroupedPoles and GroupedWeights; their rows, then those of what is dropped, are in Spare.</summary>
    public void Run()
    {
        LoadWeights();
        MergeOrders();
        Deflate();
        GroupRows();
    }

    /// <summary>Copies the columns of the merge from a row of one matrix to a row of another.</summary>
    public readonly void CopyRow(float* source, int sourceRow, float* target, int targetRow) =>
        Unsafe.CopyBlockUnaligned(
            target + (targetRow * _work.Stride) + _low,
            source + (sourceRow * _work.Stride) + _low,
            (uint)(_high - _low) * sizeof(float));

    /// <summary>z: the last elements of the first half's vectors and the first of the second's, scaled to a unit vector.</summary>
    private void LoadWeights()
    {
        double coupling = _work.OffDiagonal[_middle - 1];
        double scale = Math.Sqrt(0.5);
        _rho = 2 * Math.Abs(coupling);
        for (int row = _low; row < _high; row++)
        {
            bool isLeft = row < _middle;
            double sign = !isLeft && coupling < 0 ? -1 : 1;
            _work.Weights[row] = sign * scale * _work.Vectors[(row * _work.Stride) + (isLeft ? _middle - 1 : _middle)];
            _work.Kinds[row] = (byte)(isLeft ? RowKind.Left : RowKind.Right);
        }
    }

    /// <summary>Merges the two ascending halves; poles and rows of the merged list go to Poles and Rows.</summary>
    private readonly void MergeOrders()
    {
        int left = _low;
        int right = _middle;
        for (int i = _low; i < _high; i++)
        {
            bool takeLeft = right == _high || (left < _middle && _work.Diagonal[left] <= _work.Diagonal[right]);
            int source = takeLeft ? left++ : right++;
            _work.Poles[i] = _work.Diagonal[source];
            _work.Rows[i] = _work.Order[source];
        }
    }

    /// <summary>Compacts what stays to the front of Poles and Rows, still ascending; what deflates goes to the dropped lists.</summary>
    private void Deflate()
    {
        _kept = 0;
        _dropped = 0;
        bool hasPrevious = false;
        double pole = 0;
        int row = 0;
        for (int i = _low; i < _high; i++)
        {
            double nextPole = _work.Poles[i];
            int nextRow = _work.Rows[i];
            if (_rho * Math.Abs(_work.Weights[nextRow]) <= _tolerance)
            {
                Drop(nextPole, nextRow);
                continue;
            }

            if (hasPrevious && !TryMergePair(ref pole, row, ref nextPole, nextRow))
            {
                Keep(pole, row);
            }

            (hasPrevious, pole, row) = (true, nextPole, nextRow);
        }

        if (hasPrevious)
        {
            Keep(pole, row);
        }
    }

    /// <summary>Rotates all weight of two close poles onto the second when what that leaves off the diagonal is negligible.</summary>
    private bool TryMergePair(ref double pole, int row, ref double nextPole, int nextRow)
    {
        double s = _work.Weights[row];
        double c = _work.Weights[nextRow];
        double length = Math.Sqrt((c * c) + (s * s));
        c /= length;
        s = -s / length;
        if (Math.Abs((nextPole - pole) * c * s) > _tolerance)
        {
            return false;
        }

        _work.Weights[nextRow] = length;
        _work.Weights[row] = 0;
        if (_work.Kinds[row] != _work.Kinds[nextRow])
        {
            _work.Kinds[row] = _work.Kinds[nextRow] = (byte)RowKind.Mixed;
        }

        Rotate(_work.Vectors + (row * _work.Stride), _work.Vectors + (nextRow * _work.Stride), (float)c, (float)s);
        (pole, nextPole) = ((pole * c * c) + (nextPole * s * s), (pole * s * s) + (nextPole * c * c));
        Drop(pole, row);
        return true;
    }

    private readonly void Rotate(float* x, float* y, float c, float s)
    {
        for (int j = _low; j < _high; j++)
        {
            float t = (c * x[j]) + (s * y[j]);
            y[j] = (c * y[j]) - (s * x[j]);
            x[j] = t;
        }
    }

    private void Keep(double pole, int row)
    {
        _work.Poles[_low + _kept] = pole;
        _work.Rows[_low + _kept] = row;
        _kept++;
    }

    private void Drop(double pole, int row)
    {
        _work.DroppedPoles[_low + _dropped] = pole;
        _work.DroppedRows[_low + _dropped] = row;
        _dropped++;
    }

    /// <summary>Copies the rows that stay, grouped by kind, and then those that are dropped, to Spare; Poles and Weights follow
    /// the groups in Grouped.</summary>
    private void GroupRows()
    {
        int next = 0;
        for (var kind = RowKind.Left; kind <= RowKind.Right; kind++)
        {
            for (int i = _low; i < _low + _kept; i++)
            {
                int row = _work.Rows[i];
                if (_work.Kinds[row] == (byte)kind)
                {
                    _work.GroupedPoles[_low + next] = _work.Poles[i];
                    _work.GroupedWeights[_low + next] = _work.Weights[row];
                    CopyRow(_work.Vectors, row, _work.Spare, _low + next);
                    next++;
                }
            }

            _leftRows = kind == RowKind.Left ? next : _leftRows;
            _mixedRows = kind == RowKind.Mixed ? next - _leftRows : _mixedRows;
        }

        for (int i = 0; i < _dropped; i++)
        {
            CopyRow(_work.Vectors, _work.DroppedRows[_low + i], _work.Spare, _low + _kept + i);
        }

        for (int i = _low; i < _low + _kept; i++)
        {
            _work.SecularWeights[i] = _work.Weights[_work.Rows[i]];
        }
    }
}
