using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A loss evaluated on one batch: what its gradients start from.</summary>
/// <param name="Outputs">[N, C], the network's outputs.</param>
/// <param name="Targets">As given.</param>
/// <param name="Predictions">[N, C]: probabilities, or residuals of a squared error weighted by its precision.</param>
/// <param name="Losses">[N], the loss of every term.</param>
public readonly record struct LossEvaluation(
    MatrixView<float> Outputs, Targets Targets, MatrixView<float> Predictions, VectorView<float> Losses);
