using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Householder reduction of a symmetric matrix to tridiagonal form, <c>A = P·T·Pᵀ</c>.</summary>
/// <remarks>
/// Blocked as in LAPACK's latrd and sytrd (Dongarra, Hammarling and Sorensen, 1989). The upper triangle is used, so that
/// column j of the matrix is row j in memory. Within a panel of <see cref="PanelRows"/> columns each column costs one product
/// of the untouched trailing matrix with a vector, which reads every element of one triangle once and is bound by memory;
/// at the end of the panel the trailing triangle takes the rank-64 update <c>V·Wᵀ + W·Vᵀ</c> in the register tile of the
/// matrix product. Elements are expected to be of order 1; columns below 10⁻¹⁴ count as zero.
/// <para>
/// Rows are padded by zeros so that vectors run past their ends. How the matrix-vector product is cut depends on sizes only.
/// </para>
/// </remarks>
internal unsafe struct TridiagonalReduction<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int PanelRows = 32;
    private const int MaxParts = 8;
    private const int ElementsPerPart = 32 * 1024;
    private const float NegligibleSquare = 1e-28f;

    private readonly int _n;
    private readonly int _panels;
    private readonly long _stride;
    private readonly float* _a;
    private readonly float* _v;
    private readonly float* _w;
    private readonly float* _partial;
    private readonly float* _packed;
    private readonly float* _coefficients;
    private readonly WorkerPool? _workers;
    private int _column;
    private int _parts;
    private int _start;
    private int _count;

    /// <param name="a">[<see cref="Rows"/>, <see cref="Stride"/>], the upper triangle given, everything from column n on zero.
    /// Receives reflector j in row j from column j + 1 on, its first element 1.</param>
    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public TridiagonalReduction(int n, float* a, void* memory, WorkerPool? workers)
    {
        _n = n;
        _panels = Rows(n) / TTile.Columns;
        _stride = Stride(n);
        _a = a;
        _v = (float*)memory;
        _w = _v + (PanelRows * _stride);
        _partial = _w + (PanelRows * _stride);
        _packed = _partial + (MaxParts * _stride);
        _coefficients = _packed + (2L * PackedLength * _panels);
        _workers = workers;
    }

    private static int PackedLength => 2 * PanelRows * TTile.Columns;

    public static int Rows(int n) => (n + TTile.Columns - 1) / TTile.Columns * TTile.Columns;

    /// <summary>Room for whole panels and one vector beyond the end, and an odd number of cache lines.</summary>
    public static long Stride(int n) => (((Math.Max(Rows(n), n + TSimd.Count) + 15) / 16) | 1) * 16L;

    public static long ScratchBytes(int n) =>
        ((((2 * PanelRows) + MaxParts) * Stride(n)) + (2L * PackedLength * (Rows(n) / TTile.Columns)) + (2 * PanelRows)) * sizeof(float);

    /// <summary>Reduces the matrix.</summary>
    /// <param name="d">[n], receives the diagonal of T.</param>
    /// <param name="e">[n − 1], receives what couples i and i + 1.</param>
    /// <param name="tau">[n], receives the scales of the reflectors <c>I − τ·v·vᵀ</c>; the last is 0.</param>
    public void Run(double* d, double* e, float* tau)
    {
        new Span<float>(_v, (int)(((2 * PanelRows) + MaxParts) * _stride)).Clear();
        for (_start = 0; _start < _n; _start += PanelRows)
        {
            _count = Math.Min(PanelRows, _n - _start);
            for (int k = 0; k < _count; k++)
            {
                _column = _start + k;
                UpdateColumn(k);
                float* row = _a + (_column * _stride);
                d[_column] = row[_column];
                tau[_column] = 0;
                if (_column < _n - 1)
                {
                    e[_column] = MakeReflector(row + _column + 1, _n - _column - 1, out tau[_column]);
                    MakeUpdate(k, row, tau[_column]);
                }
            }

            if (_start + _count < _n)
            {
                RunJob(_panels, &Pack);
                RunJob(_panels, &UpdateTrailing);
            }
        }
    }

    private void RunJob(int tasks, delegate*<void*, int, void> body)
    {
        void* context = Unsafe.AsPointer(ref this);
        if (_workers is not null)
        {
            _workers.Run(tasks, body, context);
            return;
        }

        for (int task = 0; task < tasks; task++)
        {
            body(context, task);
        }
    }

    /// <summary>Applies the k reflectors of this panel so far to the current column.</summary>
    private readonly void UpdateColumn(int k)
    {
        for (int r = 0; r < k; r++)
        {
            _coefficients[r] = _w[(r * _stride) + _column];
            _coefficients[PanelRows + r] = _v[(r * _stride) + _column];
        }

        float* row = _a + (_column * _stride) + _column;
        int length = _n - _column;
        PanelVectors<TSimd, TVector>.Subtract(row, length, _v + _column, _stride, k, _coefficients);
        PanelVectors<TSimd, TVector>.Subtract(row, length, _w + _column, _stride, k, _coefficients + PanelRows);
    }

    /// <summary>Turns x into v of the reflector <c>I − τ·v·vᵀ</c> that maps it to (β, 0, …, 0); returns β.</summary>
    private static float MakeReflector(float* x, int length, out float tau)
    {
        float tail = PanelVectors<TSimd, TVector>.Dot(x + 1, x + 1, length - 1);
        float alpha = x[0];
        x[0] = 1;
        if (tail <= NegligibleSquare)
        {
            tau = 0;
            return alpha;
        }

        float beta = -MathF.CopySign(MathF.Sqrt((alpha * alpha) + tail), alpha);
        PanelVectors<TSimd, TVector>.Scale(x + 1, length - 1, 1 / (alpha - beta));
        tau = (beta - alpha) / beta;
        return beta;
    }

    /// <summary>Row k of V is v, row k of W is <c>w = τ·(A·v) − ½τ²(vᵀ·A·v)·v</c> with A as it would be after the panel so far.</summary>
    private void MakeUpdate(int k, float* row, float tau)
    {
        int first = _column + 1;
        int length = _n - first;
        float* v = _v + (k * _stride);
        float* w = _w + (k * _stride);
        Unsafe.CopyBlockUnaligned(v + first, row + first, (uint)length * sizeof(float));
        if (tau == 0)
        {
            new Span<float>(w + first, length).Clear();
            return;
        }

        MultiplyTrailing(w, first, length);
        PanelVectors<TSimd, TVector>.Dots(_w + first, _stride, k, v + first, length, _coefficients);
        PanelVectors<TSimd, TVector>.Dots(_v + first, _stride, k, v + first, length, _coefficients + PanelRows);
        PanelVectors<TSimd, TVector>.Subtract(w + first, length, _v + first, _stride, k, _coefficients);
        PanelVectors<TSimd, TVector>.Subtract(w + first, length, _w + first, _stride, k, _coefficients + PanelRows);
        PanelVectors<TSimd, TVector>.Scale(w + first, length, tau);
        float half = 0.5f * tau * PanelVectors<TSimd, TVector>.Dot(w + first, v + first, length);
        PanelVectors<TSimd, TVector>.Subtract(w + first, length, v + first, _stride, 1, &half);
    }

    /// <summary><c>w ← A·v</c> on the trailing matrix: parts of equal area, each with a partial result of its own.</summary>
    private void MultiplyTrailing(float* w, int first, int length)
    {
        _parts = (int)Math.Clamp((long)length * length / (2 * ElementsPerPart), 1, MaxParts);
        RunJob(_parts, &MultiplyPart);
        Unsafe.CopyBlockUnaligned(w + first, _partial + first, (uint)length * sizeof(float));
        float minusOne = -1;
        for (int part = 1; part < _parts; part++)
        {
            int start = PartStart(part);
            PanelVectors<TSimd, TVector>.Subtract(w + start, _n - start, _partial + (part * _stride) + start, _stride, 1, &minusOne);
        }
    }

    private static void MultiplyPart(void* context, int part) => Unsafe.AsRef<TridiagonalReduction<TTile, TSimd, TVector>>(context).MultiplyPart(part);

    private static void Pack(void* context, int panel) => Unsafe.AsRef<TridiagonalReduction<TTile, TSimd, TVector>>(context).Pack(panel);

    private static void UpdateTrailing(void* context, int panel) => Unsafe.AsRef<TridiagonalReduction<TTile, TSimd, TVector>>(context).UpdateTrailing(panel);

    /// <summary>The row at which a part begins, such that all parts hold about the same area of the triangle.</summary>
    private readonly int PartStart(int part)
    {
        int first = _column + 1;
        int length = _n - first;
        double share = 1 - Math.Sqrt(1 - ((double)part / _parts));
        return part == _parts ? _n : first + ((int)(share * length) / 4 * 4);
    }

    private readonly void MultiplyPart(int part)
    {
        int start = PartStart(part);
        float* y = _partial + (part * _stride);
        new Span<float>(y + start, _n - start).Clear();
        int k = _column - _start;
        SymmetricProduct<TSimd, TVector>.AddRows(_a, _stride, _n, start, PartStart(part + 1), _v + (k * _stride), y);
    }

    /// <summary>Packs (V; W) and (W; V) for one panel of columns; columns of the reduced part count as zero.</summary>
    private readonly void Pack(int panel)
    {
        float* left = _packed + (2L * PackedLength * panel);
        float* right = left + PackedLength;
        int first = panel * TTile.Columns;
        int trailing = Math.Clamp(_start + _count - first, 0, TTile.Columns);
        for (int k = 0; k < _count; k++)
        {
            CopyTrailing(_v + (k * _stride) + first, trailing, left + (k * TTile.Columns), right + ((_count + k) * TTile.Columns));
            CopyTrailing(_w + (k * _stride) + first, trailing, left + ((_count + k) * TTile.Columns), right + (k * TTile.Columns));
        }
    }

    private static void CopyTrailing(float* source, int trailing, float* first, float* second)
    {
        new Span<float>(first, trailing).Clear();
        new ReadOnlySpan<float>(source + trailing, TTile.Columns - trailing).CopyTo(new Span<float>(first + trailing, TTile.Columns - trailing));
        new ReadOnlySpan<float>(first, TTile.Columns).CopyTo(new Span<float>(second, TTile.Columns));
    }

    /// <summary>Takes <c>V·Wᵀ + W·Vᵀ</c> off one column of tiles of the upper triangle; wide columns come first.</summary>
    private readonly void UpdateTrailing(int task)
    {
        int column = _panels - 1 - task;
        int firstPanel = (_start + _count) / TTile.Columns;
        float* right = _packed + (2L * PackedLength * column) + PackedLength;
        for (int panel = firstPanel; panel <= column; panel++)
        {
            float* left = _packed + (2L * PackedLength * panel);
            int first = panel * TTile.Columns;
            int rows = Math.Min(TTile.Columns, _n - first);
            float* target = _a + (first * _stride) + (column * TTile.Columns);
            for (int row = 0; row < rows; row += TTile.Rows)
            {
                TTile.Multiply(2 * _count, left + row, TTile.Columns, right, -1, 1, target + (row * _stride), _stride);
            }
        }
    }
}
