using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The end of a network: the loss of its last output, evaluated, and what backward passes start from.</summary>
internal sealed class LossHead(DeviceStream stream, Loss loss, Arena persistent)
{
    private readonly VectorView<double> _sum = persistent.Vector<double>(1);
    private readonly VectorView<long> _count = persistent.Vector<long>(1);
    private LossEvaluation _evaluation;

    /// <summary>Whether the last forward pass has been given targets.</summary>
    public bool IsEvaluated { get; private set; }

    /// <summary>Counts the evaluations, each of which has memory of its own until the next forward pass.</summary>
    public long Evaluations { get; private set; }

    /// <summary>Terms that the targets name, or 0 where every row of the output is one.</summary>
    public int TargetTerms => IsEvaluated ? _evaluation.Targets.Terms : 0;

    private LossEvaluation Evaluation =>
        IsEvaluated ? _evaluation : throw new InvalidOperationException("The loss has no targets yet; call SetTargets after Forward.");

    /// <summary>Forgets the last evaluation: another forward pass begins.</summary>
    public void Clear() => IsEvaluated = false;

    /// <summary>Computes every term's loss.</summary>
    /// <param name="memory">Lasts until the next forward pass.</param>
    /// <exception cref="ArgumentException">The targets are of the wrong kind or shape.</exception>
    public void Evaluate(Arena memory, MatrixView<float> outputs, Targets targets)
    {
        _evaluation = loss.Evaluate(stream, memory, outputs, targets);
        IsEvaluated = true;
        Evaluations++;
    }

    /// <exception cref="InvalidOperationException">The last forward pass has no targets yet.</exception>
    public void RequireTargets() => _ = Evaluation;

    /// <summary>Adds the losses of the terms, for <see cref="ReadSum"/>.</summary>
    public void SumLosses()
    {
        VectorView<float> losses = Evaluation.Losses;
        Reduction.Sum(stream, losses.AsMatrix(1, losses.Length), _sum);
    }

    /// <summary>The sum that was computed last; waits for the device.</summary>
    public double ReadSum() => stream.Read(_sum);

    /// <summary>Rows whose largest element stands at the label; waits for the device.</summary>
    /// <exception cref="InvalidOperationException">The targets are not labels.</exception>
    public long CountCorrect()
    {
        LossEvaluation evaluation = Evaluation;
        if (evaluation.Targets.Labels.IsEmpty)
        {
            throw new InvalidOperationException("Correct outputs can be counted for label targets only.");
        }

        Reduction.CountCorrect(stream, evaluation.Outputs, evaluation.Targets.Labels, _count);
        return stream.Read(_count);
    }

    /// <summary>The gradient of the loss summed over its terms, times <paramref name="scale"/>.</summary>
    /// <param name="seed">[N, C].</param>
    public void WriteGradient(float scale, MatrixView<float> seed) => loss.Gradient(stream, Evaluation, scale, seed);

    /// <summary>Seeds of a curvature pass: columns of the Hessian's root, gradients on sampled targets, or on the training ones.</summary>
    /// <param name="first">Index of the first column or sample.</param>
    /// <param name="scratch">Memory for draws.</param>
    /// <param name="seeds">[K·N, C]: K seeds, each a block of N rows.</param>
    public void WriteSeeds(CurvatureKind kind, int first, DeviceKey key, Arena scratch, MatrixView<float> seeds)
    {
        LossEvaluation evaluation = Evaluation;
        switch (kind)
        {
            case CurvatureKind.Exact:
                loss.HessianRoot(stream, evaluation, first, seeds);
                break;
            case CurvatureKind.MonteCarlo:
                int rows = evaluation.Outputs.Rows;
                for (int i = 0; i < seeds.Rows / rows; i++)
                {
                    loss.SampledGradient(stream, scratch, evaluation, key, first + i, seeds.RowRange(i * rows, rows));
                }

                break;
            default:
                loss.Gradient(stream, evaluation, 1f, seeds);
                break;
        }
    }
}
