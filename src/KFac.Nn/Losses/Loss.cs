using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A loss on the rows of a network's output: each row is one term, a negative log-likelihood.</summary>
/// <remarks>Immutable: what an evaluation computes is in <see cref="LossEvaluation"/>. Gradients, samples and roots are
/// per term, that is of the loss summed over its terms.</remarks>
public abstract class Loss
{
    /// <summary>Computes every term's loss.</summary>
    /// <param name="arena">Memory that lives as long as the evaluation is used.</param>
    /// <param name="outputs">[N, C].</param>
    /// <exception cref="ArgumentException">The targets are of the wrong kind or shape.</exception>
    public abstract LossEvaluation Evaluate(DeviceStream stream, Arena arena, MatrixView<float> outputs, Targets targets);

    /// <summary><c>gradient ← scale·∂loss/∂outputs</c>, [N, C].</summary>
    public abstract void Gradient(DeviceStream stream, in LossEvaluation evaluation, float scale, MatrixView<float> gradient);

    /// <summary>The gradient on targets drawn from the model's predictive distribution, [N, C]; zero where masked.</summary>
    /// <param name="scratch">Memory for the draw.</param>
    /// <param name="sample">Index of the draw: each uses its own numbers of the key's sequence.</param>
    public abstract void SampledGradient(
        DeviceStream stream, Arena scratch, in LossEvaluation evaluation, DeviceKey key, int sample, MatrixView<float> gradient);

    /// <summary>Consecutive columns of a root S of every term's Hessian, <c>S·Sᵀ = ∂²loss/∂outputs²</c>; it has C columns.</summary>
    /// <param name="columns">[K·N, C]: K columns, each a block of N rows.</param>
    public abstract void HessianRoot(
        DeviceStream stream, in LossEvaluation evaluation, int firstColumn, MatrixView<float> columns);

    private protected static void CheckLabels(MatrixView<float> outputs, Targets targets, string loss)
    {
        if (targets.Labels.Length != outputs.Rows || !targets.Values.IsEmpty)
        {
            throw new ArgumentException(
                $"{loss} on outputs of {outputs} is given {Describe(targets)}; wanted {outputs.Rows} labels.", nameof(targets));
        }
    }

    private protected static void CheckValues(MatrixView<float> outputs, Targets targets, string loss)
    {
        if (targets.Values.Rows != outputs.Rows || targets.Values.Columns != outputs.Columns)
        {
            throw new ArgumentException(
                $"{loss} on outputs of {outputs} is given {Describe(targets)}; wanted values of {outputs.Rows}×{outputs.Columns}.",
                nameof(targets));
        }
    }

    private static string Describe(Targets targets) =>
        targets.Labels.IsEmpty ? $"values of {targets.Values}" : $"{targets.Labels.Length} labels";
}
