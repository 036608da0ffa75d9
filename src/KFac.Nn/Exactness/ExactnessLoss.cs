using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The loss of a case: the engine's, and its Hessian in float64.</summary>
internal abstract record ExactnessLoss
{
    /// <summary>The loss that the engine evaluates.</summary>
    public abstract Loss Build();

    /// <summary>Some targets; the curvature does not depend on them.</summary>
    public virtual Targets MakeTargets(DeviceStream stream, Arena arena, int rows, int columns) =>
        Targets.FromValues(stream, arena, new float[rows * columns], rows, columns);

    /// <summary>Λ, [C, C], of the term with the given outputs.</summary>
    public abstract HostMatrix Hessian(ReadOnlySpan<double> outputs);
}

/// <summary>A Gaussian likelihood: Λ = Σ⁻¹.</summary>
internal sealed record GaussianLoss(HostMatrix Precision) : ExactnessLoss
{
    /// <summary>A precision <c>Z·Zᵀ/C + I/4</c> with Z of independent normal numbers, the same for every run.</summary>
    public static GaussianLoss Correlated(int width)
    {
        var generator = new PhiloxGenerator(new PhiloxKey(0, (ulong)width));
        var z = new HostMatrix(width, width);
        for (int i = 0; i < width * width; i++)
        {
            z[i / width, i % width] = generator.NextNormal();
        }

        var precision = new HostMatrix(width, width);
        for (int row = 0; row < width; row++)
        {
            for (int column = 0; column < width; column++)
            {
                double dot = Enumerable.Range(0, width).Sum(k => z[row, k] * z[column, k]);
                precision[row, column] = (dot / width) + (row == column ? 0.25 : 0);
            }
        }

        return new GaussianLoss(precision);
    }

    public override Loss Build()
    {
        var precision = new double[Precision.Rows, Precision.Columns];
        for (int i = 0; i < precision.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, Precision.Columns);
            precision[row, column] = Precision[row, column];
        }

        return new SquaredErrorLoss(precision);
    }

    public override HostMatrix Hessian(ReadOnlySpan<double> outputs) => Precision;
}

/// <summary>A categorical likelihood of logits.</summary>
internal sealed record SoftmaxLoss : ExactnessLoss
{
    public override Loss Build() => new CrossEntropyLoss();

    public override Targets MakeTargets(DeviceStream stream, Arena arena, int rows, int columns) =>
        Targets.FromLabels(stream, arena, new int[rows], columns);

    public override HostMatrix Hessian(ReadOnlySpan<double> outputs) => LossHessians.Softmax(outputs);
}

/// <summary>Independent Bernoulli likelihoods of logits.</summary>
internal sealed record LogisticLoss : ExactnessLoss
{
    public override Loss Build() => new BernoulliLoss();

    public override HostMatrix Hessian(ReadOnlySpan<double> outputs) => LossHessians.Bernoulli(outputs);
}
