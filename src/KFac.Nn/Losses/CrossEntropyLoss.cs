using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Softmax cross-entropy with labels: <c>−log softmax(z)[label]</c>.</summary>
/// <remarks>A term whose label is −1 is masked: its loss, gradients and root are zero.</remarks>
public sealed class CrossEntropyLoss : Loss
{
    /// <inheritdoc/>
    public override LossEvaluation Evaluate(DeviceStream stream, Arena arena, MatrixView<float> outputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(arena);
        CheckLabels(outputs, targets, nameof(CrossEntropyLoss));
        MatrixView<float> probabilities = arena.Matrix<float>(outputs.Rows, outputs.Columns);
        VectorView<float> losses = arena.Vector<float>(outputs.Rows);
        SoftmaxCrossEntropy.Forward(stream, outputs, targets.Labels, probabilities, losses);
        return new LossEvaluation(outputs, targets, probabilities, losses);
    }

    /// <inheritdoc/>
    public override void Gradient(DeviceStream stream, in LossEvaluation evaluation, float scale, MatrixView<float> gradient) =>
        SoftmaxCrossEntropy.Gradient(stream, evaluation.Predictions, evaluation.Targets.Labels, scale, gradient);

    /// <inheritdoc/>
    public override void SampledGradient(
        DeviceStream stream, Arena scratch, in LossEvaluation evaluation, PhiloxKey key, int sample, MatrixView<float> gradient)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        VectorView<int> labels = evaluation.Targets.Labels;
        VectorView<int> sampled = scratch.Vector<int>(labels.Length);
        ulong offset = (ulong)sample * (ulong)labels.Length;
        SoftmaxCrossEntropy.Sample(stream, evaluation.Predictions, labels, key, offset, sampled);
        SoftmaxCrossEntropy.Gradient(stream, evaluation.Predictions, sampled, 1f, gradient);
    }

    /// <inheritdoc/>
    public override void HessianRoot(
        DeviceStream stream, in LossEvaluation evaluation, int firstColumn, MatrixView<float> columns) =>
        SoftmaxCrossEntropy.HessianRoot(stream, evaluation.Predictions, evaluation.Targets.Labels, firstColumn, columns);
}
