using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Where an optimizer's hyper-parameters are searched for.</summary>
/// <remarks>Points are spread evenly over the logarithms by a Halton sequence with a random shift: few trials cover the space
/// better than independent draws do, and the same number of trials serves every optimizer alike.</remarks>
public sealed record SearchSpace
{
    private const ulong Sequence = 0x5345_4152_4348_0000;

    private static readonly int[] _bases = [2, 3, 5, 7];

    /// <summary>The settings that the searched ones replace parts of.</summary>
    public required OptimizerSettings Basis { get; init; }

    /// <summary>η.</summary>
    public required LogRange LearningRate { get; init; }

    /// <summary>1 − μ, or 1 − β₁; null to keep the basis's.</summary>
    public LogRange? OneMinusMomentum { get; init; }

    /// <summary>Weight decay; null to keep the basis's.</summary>
    public LogRange? WeightDecay { get; init; }

    /// <summary>λ; null to keep the basis's.</summary>
    public LogRange? Damping { get; init; }

    /// <summary>As in tables: the optimizer, for K-FAC with its approximation.</summary>
    public string Name => NameOf(Basis);

    /// <summary>The usual space of an optimizer on a workload, two to three decades around the workload's own settings.</summary>
    /// <param name="approximation">Of K-FAC; others ignore it.</param>
    public static SearchSpace For(OptimizerKind kind, SharingApproximation approximation, Workload workload)
    {
        ArgumentNullException.ThrowIfNull(workload);
        OptimizerSettings basis = workload.DefaultOptimizer(kind) with { Approximation = approximation };
        bool hasDamping = kind is OptimizerKind.Kfac or OptimizerKind.Foof;
        return new SearchSpace
        {
            Basis = basis,
            LearningRate = LogRange.Around(basis.LearningRate, 10),
            Damping = hasDamping ? LogRange.Around(basis.Damping, 10) : null,
            OneMinusMomentum = hasDamping ? null : new LogRange(0.02, 0.3),
            WeightDecay = kind switch
            {
                OptimizerKind.AdamW or OptimizerKind.NAdamW => new LogRange(1e-3, 1),
                OptimizerKind.Sgd or OptimizerKind.Nesterov => new LogRange(1e-6, 1e-3),

                // Added to the preconditioned direction, so on the scale of Adam's, times 1 − μ.
                _ => new LogRange(1e-4, 1e-1),
            },
        };
    }

    /// <summary>The settings of one trial.</summary>
    /// <param name="trial">From 0 on.</param>
    /// <param name="seed">Another seed shifts all points.</param>
    public OptimizerSettings PointOf(int trial, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(trial);
        var random = new PhiloxGenerator(new PhiloxKey(seed, Sequence));
        Span<double> fractions = stackalloc double[_bases.Length];
        for (int i = 0; i < fractions.Length; i++)
        {
            double shifted = RadicalInverse(trial + 1, _bases[i]) + random.NextUniform();
            fractions[i] = shifted - Math.Floor(shifted);
        }

        return Basis with
        {
            LearningRate = LearningRate.At(fractions[0]),
            Damping = Damping?.At(fractions[1]) ?? Basis.Damping,
            Momentum = OneMinusMomentum is LogRange range ? 1 - range.At(fractions[2]) : Basis.Momentum,
            WeightDecay = WeightDecay?.At(fractions[3]) ?? Basis.WeightDecay,
        };
    }

    /// <summary>The optimizer's name, for K-FAC with its approximation.</summary>
    public static string NameOf(OptimizerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.Kind == OptimizerKind.Kfac ? $"kfac-{settings.Approximation.ToString().ToLowerInvariant()}" : settings.Name;
    }

    /// <summary>The digits of <paramref name="index"/> in a base, mirrored behind the point.</summary>
    private static double RadicalInverse(int index, int radix)
    {
        double value = 0;
        double digit = 1;
        for (int rest = index; rest > 0; rest /= radix)
        {
            digit /= radix;
            value += digit * (rest % radix);
        }

        return value;
    }
}
