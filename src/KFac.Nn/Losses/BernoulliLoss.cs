using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Independent Bernoulli likelihoods on logits, summed over the columns of a row.</summary>
/// <remarks>Targets are 0 to 1; a NaN target masks its element: loss, gradients and root are zero there.</remarks>
public sealed class BernoulliLoss : Loss
{
    /// <inheritdoc/>
    public override LossEvaluation Evaluate(DeviceStream stream, Arena arena, MatrixView<float> outputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(arena);
        CheckValues(outputs, targets, nameof(BernoulliLoss));
        MatrixView<float> probabilities = arena.Matrix<float>(outputs.Rows, outputs.Columns);
        VectorView<float> losses = arena.Vector<float>(outputs.Rows);
        BernoulliCrossEntropy.Forward(stream, outputs, targets.Values, probabilities, losses);
        return new LossEvaluation(outputs, targets, probabilities, losses);
    }

    /// <inheritdoc/>
    public override void Gradient(DeviceStream stream, in LossEvaluation evaluation, float scale, MatrixView<float> gradient) =>
        BernoulliCrossEntropy.Gradient(stream, evaluation.Predictions, evaluation.Targets.Values, scale, gradient);

    /// <inheritdoc/>
    public override void SampledGradient(
        DeviceStream stream, Arena scratch, in LossEvaluation evaluation, DeviceKey key, int sample, MatrixView<float> gradient)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        MatrixView<float> p = evaluation.Predictions;
        MatrixView<float> sampled = scratch.Matrix<float>(p.Rows, p.Columns);
        ulong offset = (ulong)sample * (ulong)p.Rows * (ulong)p.Columns;
        BernoulliCrossEntropy.Sample(stream, p, evaluation.Targets.Values, key, offset, sampled);
        BernoulliCrossEntropy.Gradient(stream, p, sampled, 1f, gradient);
    }

    /// <inheritdoc/>
    public override void HessianRoot(
        DeviceStream stream, in LossEvaluation evaluation, int firstColumn, MatrixView<float> columns) =>
        BernoulliCrossEntropy.HessianRoot(stream, evaluation.Predictions, evaluation.Targets.Values, firstColumn, columns);
}
