using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Makes <c>X − I</c> of the orthogonal <c>X = S + √(I + S²)</c> of an antisymmetric S, in its place.</summary>
/// <remarks>
/// With <c>P = SᵀS</c> the root is <c>I − ½P − ⅛P² − …</c>, and cutting it off after I, P or P² leaves
/// <c>‖XᵀX − I‖</c> at ‖P‖, ‖P²‖/4 or ‖P³‖/8. P and P² are one triangle of a product each, and are computed when
/// sketches of S², S³, S⁴ say that they matter. Most of S is near its diagonal, where eigenvalues are close: blocks of P's product whose
/// norms say that all of them together are below what a cut may cost are left out, and a sketch says whether that held. For n = 1024
/// and a flat spectrum that leaves out 70%.
/// </remarks>
internal unsafe struct EigenRotation<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Share of the tolerance for orthogonality that one cut may use up: cuts add up from update to update until
    /// <see cref="Correct"/> removes them.</summary>
    private const double CutShare = 0.2;

    /// <summary>Share of that from which a bound on ‖S⁴‖ is not enough.</summary>
    private const double BoundShare = 0.7;

    private const int RowsPerTask = 32;

    private readonly ItemThreads _threads;
    private readonly WarmEigenMemory _memory;
    private readonly ActiveColumns _active;
    private readonly float* _p;
    private readonly float* _square;
    private readonly WarmProducts<TTile, TSimd, TVector> _products;
    private int _terms;

    public EigenRotation(
        ItemThreads threads, WarmEigenMemory memory, ActiveColumns active, WarmProducts<TTile, TSimd, TVector> products)
    {
        _threads = threads;
        _memory = memory;
        _active = active;
        _p = active.Residuals;
        _square = active.F;
        _products = products;
    }

    private readonly int K => _active.Count;

    /// <summary>An estimate of ‖S‖, after <see cref="SecondOrder"/>.</summary>
    public double Norm { get; private set; }

    /// <summary>An estimate of <c>‖½(FS − SF)‖</c>, what the rotation leaves of F; leaves SΩ in the first sketch.</summary>
    public double SecondOrder()
    {
        Multiply(_active.S, _memory.Signs, 0);
        Norm = SignSketch<TSimd, TVector>.Norm(K, _memory.Sketch(0));
        Multiply(_active.F, _memory.Signs, 1);
        Multiply(_active.F, _memory.Sketch(0), 2);
        Multiply(_active.S, _memory.Sketch(1), 3);
        return 0.5 * SignSketch<TSimd, TVector>.Distance(K, _memory.Sketch(2), _memory.Sketch(3));
    }

    /// <summary>Decides, after <see cref="SecondOrder"/>, how many terms the root needs; false when two are not enough.</summary>
    public bool Expand(double tolerance)
    {
        double cut = CutShare * tolerance;
        Multiply(_active.S, _memory.Sketch(0), 1);
        double second = SignSketch<TSimd, TVector>.Norm(K, _memory.Sketch(1));
        _terms = second <= cut ? 0 : 1;
        if (0.25 * second * second <= cut)
        {
            return true;
        }

        // ‖S⁴‖ is at most ‖S³‖^(4/3), as of all norms of powers of a normal matrix.
        Multiply(_active.S, _memory.Sketch(1), 2);
        double fourth = Math.Pow(SignSketch<TSimd, TVector>.Norm(K, _memory.Sketch(2)), 4.0 / 3);
        if (0.25 * fourth <= BoundShare * cut)
        {
            return true;
        }

        Multiply(_active.S, _memory.Sketch(2), 3);
        fourth = SignSketch<TSimd, TVector>.Norm(K, _memory.Sketch(3));
        _terms = 0.25 * fourth <= cut ? 1 : 2;
        // Norms of powers of a normal matrix grow at least geometrically; half of the eighth is for what that misses.
        return _terms == 1 || 0.25 * fourth * fourth / second <= cut;
    }

    /// <summary>Turns S into X − I, after <see cref="Expand"/>.</summary>
    /// <param name="tolerance">Of the result's orthogonality.</param>
    public void Complete(double tolerance)
    {
        double cut = CutShare * tolerance;
        if (_terms == 1 && _products.IsFixed)
        {
            _products.Gram(_active.S, cut, _p);
            if (!(0.5 * SquareError() <= cut))
            {
                _products.Gram(_active.S, 0, _p);
            }
        }
        else if (_terms > 0)
        {
            _products.Gram(_active.S, 0, _p);
        }

        if (_terms > 1)
        {
            _products.Gram(_p, 0, _square);
        }

        _threads.Run(_terms == 0 ? 0 : (K + RowsPerTask - 1) / RowsPerTask, &AddRows, Unsafe.AsPointer(ref this));
    }

    /// <summary>An estimate of <c>‖P − SᵀS‖</c> from <c>S²Ω</c> in the second sketch.</summary>
    private readonly double SquareError()
    {
        float* expected = _memory.Sketch(1);
        for (int i = 0; i < K * SignSketch<TSimd, TVector>.Count; i++)
        {
            expected[i] = -expected[i];
        }

        Multiply(_p, _memory.Signs, 2);
        return SignSketch<TSimd, TVector>.Distance(K, _memory.Sketch(2), expected);
    }

    /// <summary>Computes <c>E = VᵀV − I</c> of the active columns in F's memory, after <see cref="Complete"/>.</summary>
    /// <param name="rows">Rows of V.</param>
    public readonly void MeasureOrthogonality(int rows)
    {
        StridedMatrix v = _active.Vectors;
        SymmetricCross<TTile, TSimd, TVector>.Multiply(_threads, rows, K, v, v, _square, _memory.Stride);
        for (int i = 0; i < K; i++)
        {
            _square[(i * _memory.Stride) + i] -= 1;
        }
    }

    /// <summary><c>X ← X − ½E</c>, which makes VX as orthogonal as X was but for the product of E and S.</summary>
    public void Correct() => _threads.Run((K + RowsPerTask - 1) / RowsPerTask, &SubtractRows, Unsafe.AsPointer(ref this));

    private readonly void Multiply(float* matrix, float* input, int sketch) =>
        SignSketch<TSimd, TVector>.Multiply(_threads, matrix, _memory.Stride, K, K, input, _memory.Sketch(sketch));

    private static void AddRows(void* context, int task)
    {
        ref readonly EigenRotation<TTile, TSimd, TVector> job = ref Unsafe.AsRef<EigenRotation<TTile, TSimd, TVector>>(context);
        for (int i = task * RowsPerTask; i < Math.Min(job.K, (task + 1) * RowsPerTask); i++)
        {
            job.AddRow(i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddRow(int i)
    {
        float* x = _active.S + (i * _memory.Stride);
        float* p = _p + (i * _memory.Stride);
        float* square = _square + (i * _memory.Stride);
        TVector half = TSimd.Create(-0.5f);
        TVector eighth = TSimd.Create(-0.125f);
        for (int j = 0; j < K; j += TSimd.Count)
        {
            TVector value = TSimd.MultiplyAdd(half, TSimd.Load(p + j), TSimd.Load(x + j));
            value = _terms == 1 ? value : TSimd.MultiplyAdd(eighth, TSimd.Load(square + j), value);
            TSimd.Store(value, x + j);
        }
    }

    private static void SubtractRows(void* context, int task)
    {
        ref readonly EigenRotation<TTile, TSimd, TVector> job = ref Unsafe.AsRef<EigenRotation<TTile, TSimd, TVector>>(context);
        for (int i = task * RowsPerTask; i < Math.Min(job.K, (task + 1) * RowsPerTask); i++)
        {
            job.SubtractRow(i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void SubtractRow(int i)
    {
        float* x = _active.S + (i * _memory.Stride);
        float* e = _square + (i * _memory.Stride);
        TVector half = TSimd.Create(-0.5f);
        for (int j = 0; j < K; j += TSimd.Count)
        {
            TSimd.Store(TSimd.MultiplyAdd(half, TSimd.Load(e + j), TSimd.Load(x + j)), x + j);
        }
    }
}
