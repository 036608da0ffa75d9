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
    /// <summary>A correlated precision with condition number of about 20, the same for every run.</summary>
    public static GaussianLoss Correlated(int width)
    {
        var generator = new PhiloxGenerator(new PhiloxKey(20231026, (ulong)width));
        var root = new HostMatrix(width, width);
        for (int i = 0; i < width * width; i++)
        {
            root[i / width, i % width] = generator.NextNormal() / Math.Sqrt(width);
        }

        HostMatrix precision = HostMatrix.Identity(width);
        for (int i = 0; i < width; i++)
        {
            precision[i, i] = 0.25;
        }

        for (int i = 0; i < width * width * width; i++)
        {
            (int row, int column, int k) = (i / (width * width), i / width % width, i % width);
            precision[row, column] += root[row, k] * root[column, k];
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
