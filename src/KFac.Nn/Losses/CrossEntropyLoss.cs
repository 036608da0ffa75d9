using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Softmax cross-entropy with labels: <c>−Σ_c q_c·log softmax(z)_c</c> with <c>q = (1 − ε)·e_label + ε/C</c>.</summary>
/// <remarks>A term whose label is −1 is masked: its loss, gradients and root are zero. The Hessian doesn't depend on q, so label
/// smoothing changes the training gradient, and neither samples nor root: samples are drawn from the model.</remarks>
public sealed class CrossEntropyLoss : Loss
{
    private readonly float _smoothing;

    /// <summary>Makes the loss.</summary>
    /// <param name="smoothing">ε of label smoothing (Szegedy et al. 2016), 0 to 1.</param>
    public CrossEntropyLoss(float smoothing = 0)
    {
        if (!(smoothing >= 0 && smoothing <= 1))
        {
            throw new ArgumentException($"The label smoothing is {smoothing}; wanted 0 to 1.", nameof(smoothing));
        }

        _smoothing = smoothing;
    }

    /// <inheritdoc/>
    public override LossEvaluation Evaluate(DeviceStream stream, Arena arena, MatrixView<float> outputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(arena);
        CheckLabels(outputs, targets, nameof(CrossEntropyLoss));
        MatrixView<float> probabilities = arena.Matrix<float>(outputs.Rows, outputs.Columns);
        VectorView<float> losses = arena.Vector<float>(outputs.Rows);
        SoftmaxCrossEntropy.Forward(stream, outputs, targets.Labels, probabilities, losses, _smoothing);
        return new LossEvaluation(outputs, targets, probabilities, losses);
    }

    /// <inheritdoc/>
    public override void Gradient(DeviceStream stream, in LossEvaluation evaluation, float scale, MatrixView<float> gradient) =>
        SoftmaxCrossEntropy.Gradient(stream, evaluation.Predictions, evaluation.Targets.Labels, scale, gradient, _smoothing);

    /// <inheritdoc/>
    public override void SampledGradient(
        DeviceStream stream, Arena scratch, in LossEvaluation evaluation, DeviceKey key, int sample, MatrixView<float> gradient)
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
