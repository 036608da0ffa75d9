using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Eigendecomposition of one matrix that has moved a little since its eigenvectors V were computed.</summary>
/// <remarks>
/// A step is iterative refinement (Ogita and Aishima, 2018) in the form that costs the fewest products:
/// <list type="number">
/// <item><c>W = AV</c>; its residuals <c>R = W − V·diag(d)</c> say at once how good V is. When all of them together
/// are within the tolerance, V is kept. Columns whose residuals are negligible take no part in what follows: with
/// the spectra of Kronecker factors those are most.</item>
/// <item><c>F = VᵀR</c>, one triangle: the off-diagonal part of <c>VᵀAV</c>.</item>
/// <item>Blocks of eigenvalues too close for perturbation theory are solved exactly (<see cref="CloseEigenvalues{TSimd, TVector}"/>).</item>
/// <item>The rest is turned by <c>X = S + √(I + S²)</c>, orthogonal, with S of first order
/// (<see cref="FirstOrderRotation{TSimd, TVector}"/>) and the root expanded as far as ‖S‖ demands; <c>V ← VX</c>.</item>
/// </list>
/// A step leaves off-diagonal elements of second order, <c>½(FS − SF)</c>, which <see cref="SignSketch{TSimd, TVector}"/>
/// measures before the last product is spent; whoever would not get there in less time than it takes to start from
/// scratch gives up. Residual and orthogonality of the result are measured the same way.
/// <para>With all columns active a step is 2.5 to 3.5 products of n×n matrices, <c>2n³</c> each, and keeping V is one. Measured
/// for n = 1024 on two AVX-512 cores, in ms: AV 5.2, F 3.0, P and P² 3.4, VX 5.0, all passes over memory 3; from scratch 26.</para>
/// </remarks>
internal unsafe struct WarmEigen<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const double Epsilon = 1.0 / (1 << 24);
    private const int RowsPerTask = 64;

    /// <summary>Angles beyond which first order does not hold: as a first choice, the factor to the next, and where to give up.</summary>
    private const float LargestAngle = 0.3f;
    private const float AngleStep = 0.4f;
    private const float SmallestAngle = 0.015f;

    private readonly ItemThreads _threads;
    private readonly EigenTask _task;
    private readonly EigenWarmStart _settings;
    private readonly WarmEigenMemory _memory;
    private readonly WarmEigenPlan _plan;
    private EigenColumns<TSimd, TVector> _columns;
    private StridedMatrix _basis;

    private WarmEigen(ItemThreads threads, in EigenTask task, EigenWarmStart settings, WarmEigenMemory memory)
    {
        _threads = threads;
        _task = task;
        _settings = settings;
        _memory = memory;
        _plan = new WarmEigenPlan(task.Size);
        _basis = new StridedMatrix(task.Previous, task.PreviousStride, 1);
        _columns = new EigenColumns<TSimd, TVector>(threads, task, memory);
    }

    private readonly int N => _task.Size;

    private readonly double Unit => N * Epsilon;

    /// <summary>Diagonalises one item; false when the previous basis is of no use, the results then being undefined.</summary>
    public static bool Solve(ItemThreads threads, in EigenTask task, EigenWarmStart settings, out EigenOutcome outcome)
    {
        using ScratchLease lease = threads.Device.Scratch.Rent(WarmEigenMemory.Bytes(task.Size));
        var memory = new WarmEigenMemory(task.Size, lease.As<byte>());
        return new WarmEigen<TTile, TSimd, TVector>(threads, task, settings, memory).Run(out outcome);
    }

    private bool Run(out EigenOutcome outcome)
    {
        outcome = new EigenOutcome(EigenRoute.FellBack, 0);
        SignSketch<TSimd, TVector>.Signs(N, _memory.Signs);
        if (!(OrthogonalityError() <= _settings.Tolerance * Unit))
        {
            return false;
        }

        if (!LoadMatrix())
        {
            return false;
        }

        for (int steps = 0; ; steps++)
        {
            double scale = MeasureResiduals();
            double residual = _columns.ResidualNorm();
            if (residual <= _settings.Tolerance * Unit * scale || residual <= _settings.KeepBelow * _columns.Norm())
            {
                _columns.Write(_basis, default);
                outcome = new EigenOutcome(steps == 0 ? EigenRoute.Kept : EigenRoute.Refined, steps);
                return true;
            }

            if (!double.IsFinite(residual) || !Refine(steps, scale))
            {
                outcome = new EigenOutcome(EigenRoute.FellBack, steps);
                return false;
            }

            _basis = new StridedMatrix(_task.Vectors, _task.VectorsStride, 1);
            double orthogonality = OrthogonalityError();
            if (IsAccurate(scale) && orthogonality <= _settings.Tolerance * Unit)
            {
                outcome = new EigenOutcome(EigenRoute.Refined, steps + 1);
                return true;
            }

            if (!(orthogonality <= _settings.Tolerance * Unit) || !_plan.MayRepeat(steps + 1))
            {
                outcome = new EigenOutcome(EigenRoute.FellBack, steps + 1);
                return false;
            }
        }
    }

    /// <summary>Copies the matrix, scaled, to both triangles; false when an element is not finite.</summary>
    private bool LoadMatrix()
    {
        int tasks = (N + RowsPerTask - 1) / RowsPerTask;
        _threads.Run(tasks, &MeasureRows, Unsafe.AsPointer(ref this));
        float largest = 0;
        for (int task = 0; task < tasks; task++)
        {
            largest = MathF.Max(largest, _memory.Sums[task]);
        }

        if (!float.IsFinite(largest))
        {
            return false;
        }

        _columns.Scale = LowerTriangle<TSimd, TVector>.Scale(largest);
        _threads.Run(tasks, &LoadRows, Unsafe.AsPointer(ref this));
        return true;
    }

    private static void MeasureRows(void* context, int task)
    {
        ref readonly WarmEigen<TTile, TSimd, TVector> job = ref Unsafe.AsRef<WarmEigen<TTile, TSimd, TVector>>(context);
        int first = task * RowsPerTask;
        job._memory.Sums[task] = LowerTriangle<TSimd, TVector>.LargestMagnitude(job._task, first, Math.Min(job.N, first + RowsPerTask));
    }

    private static void LoadRows(void* context, int task)
    {
        ref readonly WarmEigen<TTile, TSimd, TVector> job = ref Unsafe.AsRef<WarmEigen<TTile, TSimd, TVector>>(context);
        int first = task * RowsPerTask;
        int end = Math.Min(job.N, first + RowsPerTask);
        float* a = job._memory.Matrix;
        long stride = job._memory.Stride;
        for (int i = first; i < end; i++)
        {
            float* source = job._task.Matrix + (i * job._task.MatrixStride);
            LowerTriangle<TSimd, TVector>.CopyScaled(source, i + 1, (float)job._columns.Scale, a + (i * stride));
        }

        GramSum<TSimd, TVector>.Mirror(first, end, a, stride);
    }

    /// <summary>An estimate of <c>‖VᵀV − I‖</c>; leaves VΩ in the first sketch.</summary>
    private readonly double OrthogonalityError()
    {
        float* basis = (float*)_basis.Data;
        SignSketch<TSimd, TVector>.Multiply(_threads, basis, _basis.RowStride, N, N, _memory.Signs, _memory.Sketch(0));
        SignSketch<TSimd, TVector>.MultiplyTransposed(_threads, basis, _basis.RowStride, N, N, _memory.Sketch(0), _memory.Sketch(1));
        return SignSketch<TSimd, TVector>.Distance(N, _memory.Sketch(1), _memory.Signs);
    }

    /// <summary>Whether an estimate of <c>‖AV − V·diag(w)‖</c> for the results is within the tolerance; the first sketch holds VΩ.</summary>
    private readonly bool IsAccurate(double scale)
    {
        float* scaled = _memory.Sketch(1);
        for (int i = 0; i < N; i++)
        {
            for (int s = 0; s < SignSketch<TSimd, TVector>.Count; s++)
            {
                int at = (i * SignSketch<TSimd, TVector>.Count) + s;
                scaled[at] = (float)_memory.Sorted[i] * _memory.Signs[at];
            }
        }

        SignSketch<TSimd, TVector>.Multiply(_threads, _memory.Matrix, _memory.Stride, N, N, _memory.Sketch(0), _memory.Sketch(2));
        SignSketch<TSimd, TVector>.Multiply(_threads, (float*)_basis.Data, _basis.RowStride, N, N, scaled, _memory.Sketch(3));
        return SignSketch<TSimd, TVector>.Distance(N, _memory.Sketch(2), _memory.Sketch(3)) <= _settings.Tolerance * Unit * scale;
    }

    /// <summary>Computes R and d; returns the largest |d|.</summary>
    private readonly double MeasureResiduals()
    {
        var matrix = new StridedMatrix(_memory.Matrix, _memory.Stride, 1);
        _threads.Multiply(N, N, N, matrix, _basis, _memory.Block(0), _memory.Stride);
        RayleighResiduals<TSimd, TVector>.Run(
            _threads, N, (float*)_basis.Data, _basis.RowStride, _memory.Block(0), _memory.Stride, _memory.Values, _memory.Squares, _memory.Sums);
        double scale = 0;
        for (int j = 0; j < N; j++)
        {
            scale = Math.Max(scale, Math.Abs(_memory.Values[j]));
        }

        return scale;
    }

    /// <summary>One step, written to the results; false when it would not pay.</summary>
    private bool Refine(int steps, double scale)
    {
        double tolerance = _settings.Tolerance * Unit * scale;
        ActiveColumns active = _columns.Gather(_basis, WarmEigenPlan.NegligibleColumn * tolerance / Math.Sqrt(N));
        int k = active.Count;
        long stride = _memory.Stride;
        float negligible = (float)(WarmEigenPlan.NegligibleElement(_settings.Tolerance) * Epsilon * scale);
        SymmetricCross<TTile, TSimd, TVector>.Multiply(
            _threads, N, k, active.Vectors, new StridedMatrix(active.Residuals, stride, 1), active.F, stride);
        for (int i = 0; i < k; i++)
        {
            active.F[(i * stride) + i] = 0;
        }

        using ScratchLease lease = _threads.Device.Scratch.Rent(CloseEigenvalues<TSimd, TVector>.ScratchBytes(k));
        var close = new CloseEigenvalues<TSimd, TVector>(_threads, k, active.F, stride, _memory.Selected, negligible, lease.As<byte>());
        if (!close.Run())
        {
            return false;
        }

        var rotation = new EigenRotation<TTile, TSimd, TVector>(_threads, _memory, active);
        double expected = Rotate(ref rotation, active, negligible);
        if (!_plan.Pays(steps, _columns.ResidualNorm(), expected, tolerance))
        {
            return false;
        }

        rotation.Complete();
        close.Apply(active.S, stride);
        _threads.Multiply(N, k, k, active.Vectors, new StridedMatrix(active.S, stride, 1), active.Residuals, stride);
        _columns.Write(_basis, active);
        return true;
    }

    /// <summary>Chooses the largest angles for which X can be made orthogonal; returns the residual that is then to be expected.</summary>
    private readonly double Rotate(ref EigenRotation<TTile, TSimd, TVector> rotation, ActiveColumns active, float negligible)
    {
        for (float largestAngle = LargestAngle; largestAngle > SmallestAngle; largestAngle *= AngleStep)
        {
            double skipped = FirstOrderRotation<TSimd, TVector>.Write(
                _threads,
                active.Count,
                active.F,
                active.S,
                _memory.Stride,
                _memory.Selected,
                negligible,
                largestAngle,
                _memory.Shifts,
                _memory.Sums);
            double left = rotation.SecondOrder();
            if (rotation.Expand(_settings.Tolerance * Unit))
            {
                return Math.Sqrt((left * left) + (skipped * skipped));
            }
        }

        return double.PositiveInfinity;
    }
}
