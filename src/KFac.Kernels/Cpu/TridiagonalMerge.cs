using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>One step of divide and conquer: the eigendecomposition of <c>diag(T₁, T₂) + ρ·u·uᵀ</c> from those of T₁ and T₂.</summary>
/// <remarks>
/// In the eigenbases of the halves the matrix is <c>diag(d) + ρ·z·zᵀ</c>. Components with negligible weight, and one of each
/// pair of nearly equal poles after a rotation, deflate: they are eigenpairs already. The others come from the secular
/// equation; their vectors S turn the old ones by a matrix product. Rows of the first half, rotated rows and rows of the
/// second half are grouped so that the product skips the zero blocks. What is dropped is at
/// most 8·ε·‖T‖ each, as in LAPACK's laed2.
/// </remarks>
internal unsafe struct TridiagonalMerge
{
    private const int RootsPerTask = 16;
    private const double RelativeTolerance = 8.0 / (1 << 24);

    private readonly CpuDevice _device;
    private readonly bool _isParallel;
    private readonly Workspace _work;
    private readonly int _low;
    private readonly int _middle;
    private readonly int _high;
    private readonly double _tolerance;
    private double _rho;
    private int _kept;
    private int _dropped;
    private int _leftRows;
    private int _mixedRows;

    public TridiagonalMerge(CpuDevice device, bool isParallel, in Workspace work, double norm, int low, int middle, int high)
    {
        _device = device;
        _isParallel = isParallel;
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

    private readonly int Size => _high - _low;

    public void Run()
    {
        LoadWeights();
        MergeOrders();
        Deflate();
        GroupRows();
        if (_kept > 0)
        {
            RunJob((_kept + RootsPerTask - 1) / RootsPerTask);
            TurnVectors();
        }

        FinishDropped();
    }

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

    private readonly void CopyRow(float* source, int sourceRow, float* target, int targetRow) =>
        Unsafe.CopyBlockUnaligned(
            target + (targetRow * _work.Stride) + _low, source + (sourceRow * _work.Stride) + _low, (uint)Size * sizeof(float));

    private void RunJob(int tasks)
    {
        void* context = Unsafe.AsPointer(ref this);
        if (_isParallel)
        {
            _device.Workers.Run(tasks, &SolveRoots, context);
            return;
        }

        for (int task = 0; task < tasks; task++)
        {
            SolveRoots(context, task);
        }
    }

    private static void SolveRoots(void* context, int task) => Unsafe.AsRef<TridiagonalMerge>(context).SolveRoots(task);

    private readonly void SolveRoots(int task)
    {
        double* poles = _work.Poles + _low;
        int end = Math.Min(_kept, (task + 1) * RootsPerTask);
        for (int i = task * RootsPerTask; i < end; i++)
        {
            double tau = SecularEquation.Solve(i, _kept, poles, _work.SecularWeights + _low, _rho, out int origin);
            _work.Diagonal[_low + i] = poles[origin] + tau;
            SecularEquation.WriteVector(
                _kept, _work.GroupedPoles + _low, _work.GroupedWeights + _low, poles[origin], tau, _work.Secular + ((_low + i) * _work.Stride) + _low);
        }
    }

    private readonly void TurnVectors()
    {
        int left = _leftRows + _mixedRows;
        Multiply(0, left, _low, _middle);
        Multiply(_leftRows, _kept - _leftRows, _middle, _high);
    }

    /// <summary>Columns of the new vectors, from a run of <paramref name="depth"/> grouped rows.</summary>
    private readonly void Multiply(int firstRow, int depth, int firstColumn, int endColumn)
    {
        var turn = new StridedMatrix(_work.Secular + (_low * _work.Stride) + _low + firstRow, _work.Stride, 1);
        var rows = new StridedMatrix(_work.Spare + ((_low + firstRow) * _work.Stride) + firstColumn, _work.Stride, 1);
        float* target = _work.Vectors + (_low * _work.Stride) + firstColumn;
        int columns = endColumn - firstColumn;
        if (_isParallel)
        {
            GemmCore.MultiplyParallel(_device, _kept, columns, depth, 1, turn, rows, 0, target, _work.Stride);
            return;
        }

        using ScratchLease lease = _device.Scratch.Rent(GemmCore.ScratchBytes);
        GemmCore.Multiply(_device.Vectors, lease.As<byte>(), _kept, columns, depth, 1, turn, rows, 0, target, _work.Stride);
    }

    /// <summary>Puts the dropped vectors behind the new ones and orders all values.</summary>
    private readonly void FinishDropped()
    {
        for (int i = _kept; i < Size; i++)
        {
            CopyRow(_work.Spare, _low + i, _work.Vectors, _low + i);
            _work.Diagonal[_low + i] = _work.DroppedPoles[_low + i - _kept];
        }

        SmallEigen.Sort(Size, _work.Diagonal + _low, _work.Order + _low);
        for (int i = _low; i < _high; i++)
        {
            _work.Order[i] += _low;
        }
    }

    /// <summary>Memory of a divide and conquer run. A merge of rows [low, high) touches only those parts of each array and
    /// only those rows and columns of each matrix, so merges of one level do not meet.</summary>
    internal readonly struct Workspace
    {
        private const int DoubleArrays = 8;

        /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
        public Workspace(int size, long stride, void* memory)
        {
            Size = size;
            Stride = stride;
            Diagonal = (double*)memory;
            OffDiagonal = Diagonal + size;
            Weights = OffDiagonal + size;
            Poles = Weights + size;
            DroppedPoles = Poles + size;
            GroupedPoles = DroppedPoles + size;
            GroupedWeights = GroupedPoles + size;
            SecularWeights = GroupedWeights + size;
            Order = (int*)(SecularWeights + size);
            Rows = Order + size;
            DroppedRows = Rows + size;
            Kinds = (byte*)(DroppedRows + size);
            Vectors = (float*)((byte*)memory + ArrayBytes(size));
            Spare = Vectors + (size * stride);
            Secular = Spare + (size * stride);
        }

        public int Size { get; }

        public long Stride { get; }

        public double* Diagonal { get; }

        public double* OffDiagonal { get; }

        public double* Weights { get; }

        public double* Poles { get; }

        public double* DroppedPoles { get; }

        public double* GroupedPoles { get; }

        public double* GroupedWeights { get; }

        public double* SecularWeights { get; }

        public int* Order { get; }

        public int* Rows { get; }

        public int* DroppedRows { get; }

        public byte* Kinds { get; }

        /// <summary>Eigenvectors as rows; zero outside the blocks of the current level.</summary>
        public float* Vectors { get; }

        public float* Spare { get; }

        public float* Secular { get; }

        public static long ScratchBytes(int size, long stride) => ArrayBytes(size) + (3 * size * stride * sizeof(float));

        private static long ArrayBytes(int size) =>
            ((((long)size * ((DoubleArrays * sizeof(double)) + (3 * sizeof(int)) + 1)) + 63) / 64) * 64;
    }
}
