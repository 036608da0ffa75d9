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
/// (<see cref="FirstOrderRotation{TSimd, TVector}"/>) and the root expanded as far as ‖S‖ demands; <c>V ← VX</c>.
/// What cuts and roundings of many updates have added up to in <c>E = VᵀV − I</c> goes with <c>X ← X − ½E</c> once it is a good
/// part of the tolerance; with a flat spectrum of n = 1024 every tenth update does.</item>
/// </list>
/// A step leaves off-diagonal elements of second order, <c>½(FS − SF)</c>, which <see cref="SignSketch{TSimd, TVector}"/>
/// measures before the last product is spent; whoever would not get there in less time than it takes to start from
/// scratch gives up. Residual and orthogonality of the result are measured the same way.
/// <para>With all columns active a step is 2.5 to 3.5 products of n×n matrices, <c>2n³</c> each, of which only the first, AV, needs
/// float32's digits: the others are computed in 16-bit fixed point where the processor is faster at that
/// (<see cref="WarmProducts{TTile, TSimd, TVector}"/>). Keeping V is one product. Measured for n = 1024 on two AVX-512 cores, in ms:
/// AV 4.8, F 1.9, P 0.9, VX 3.3, all passes over memory 2.2; in float32 alone F 2.8, P 2.8, VX 4.7. From scratch 26.</para>
/// </remarks>
internal unsafe struct WarmEigen<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const double Epsilon = 1.0 / (1 << 24);

    /// <summary>Share of the tolerance for orthogonality from which a step also corrects what earlier ones left.</summary>
    private const double CorrectedShare = 0.4;

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
    private readonly WarmEigenChecks<TSimd, TVector> _checks;
    private StridedMatrix _basis;
    private double _orthogonality;

    private WarmEigen(ItemThreads threads, in EigenTask task, EigenWarmStart settings, WarmEigenMemory memory)
    {
        _threads = threads;
        _task = task;
        _settings = settings;
        _memory = memory;
        _plan = new WarmEigenPlan(task.Size);
        _basis = new StridedMatrix(task.Previous, task.PreviousStride, 1);
        _columns = new EigenColumns<TSimd, TVector>(threads, task, memory);
        _checks = new WarmEigenChecks<TSimd, TVector>(threads, task.Size, memory);
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
        _orthogonality = _checks.OrthogonalityError(_basis);
        if (!(_orthogonality <= _settings.Tolerance * Unit))
        {
            return false;
        }

        if (!SymmetricScaling<TSimd, TVector>.TryLoad(_threads, _task, _memory, out double scaling))
        {
            return false;
        }

        _columns.Scale = scaling;

        for (int steps = 0; ; steps++)
        {
            double scale = MeasureResiduals();
            double residual = _columns.ResidualNorm();
            if (residual <= _settings.Tolerance * Unit * scale || residual <= _settings.KeepBelow * _columns.Norm())
            {
                _columns.Order(default);
                _columns.Write(_basis, isWritten: false);
                outcome = new EigenOutcome(steps == 0 ? EigenRoute.Kept : EigenRoute.Refined, steps);
                return true;
            }

            if (!double.IsFinite(residual) || !Refine(steps, scale))
            {
                outcome = new EigenOutcome(EigenRoute.FellBack, steps);
                return false;
            }

            _basis = new StridedMatrix(_task.Vectors, _task.VectorsStride, 1);
            _orthogonality = _checks.OrthogonalityError(_basis);
            bool isOrthogonal = _orthogonality <= _settings.Tolerance * Unit;
            if (isOrthogonal && _checks.ResidualError(_basis) <= _settings.Tolerance * Unit * scale)
            {
                outcome = new EigenOutcome(EigenRoute.Refined, steps + 1);
                return true;
            }

            if (!isOrthogonal || !_plan.MayRepeat(steps + 1))
            {
                outcome = new EigenOutcome(EigenRoute.FellBack, steps + 1);
                return false;
            }
        }
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
        using ScratchLease panels = _threads.Device.Scratch.Rent(WarmProducts<TTile, TSimd, TVector>.ScratchBytes(N, k));
        var products = new WarmProducts<TTile, TSimd, TVector>(_threads, N, active, stride, panels.As<byte>());
        products.Project();
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

        var rotation = new EigenRotation<TTile, TSimd, TVector>(_threads, _memory, active, products);
        double expected = Rotate(ref rotation, active, negligible);
        if (!_plan.Pays(steps, _columns.ResidualNorm(), expected, tolerance))
        {
            return false;
        }

        rotation.Complete(_settings.Tolerance * Unit);
        if (_orthogonality > CorrectedShare * _settings.Tolerance * Unit)
        {
            rotation.MeasureOrthogonality(N);
            close.Turn();
            rotation.Correct();
        }

        bool isDirect = _columns.Order(active)
            && (_basis.Data != (nint)_task.Vectors || products.IsFixedTurn(rotation.Norm, _settings.Tolerance * Unit));
        float* target = isDirect ? _task.Vectors : active.Residuals;
        long targetStride = isDirect ? _task.VectorsStride : stride;
        products.Turn(ref close, rotation.Norm, _settings.Tolerance * Unit, target, targetStride);
        _columns.Write(_basis, isDirect);
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
