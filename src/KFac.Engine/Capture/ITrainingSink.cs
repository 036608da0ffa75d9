using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Takes from a training backward pass what its weight gradients are made of, besides the output gradients.</summary>
/// <remarks>The rows make a low-rank form of the gradient: with N rows, <c>∇W = Gᵀ[X, 1]</c> has rank N at most, and where N is
/// small it is cheaper to precondition G and X than their product. Whoever changes the gradients between the pass and the
/// step needs to do nothing: the change is noticed and the matrix is used. Only scaling has a way of its own,
/// <see cref="ScaleGradients"/>, which keeps the rows in use.</remarks>
public interface ITrainingSink : ICaptureSink
{
    /// <summary>Whether a pass of the same shape as the last one may run without this sink, which would keep nothing of it.</summary>
    bool MayBeLeftOut => false;

    /// <summary>A pass begins: what an earlier one delivered is forgotten.</summary>
    void BeginPass();

    /// <summary>One use of a layer in the pass. The sum of <c>Gᵀ·X</c>, with a bias <c>Gᵀ·[X, 1]</c>, over all calls of the pass
    /// must be the layer's weight gradient.</summary>
    /// <param name="inputs">X, [N, P_in], without the constant 1 of a bias. Borrowed: valid only during the call.</param>
    /// <param name="outputGradients">G, [N, P_out], of the mean-reduced training loss. Borrowed alike.</param>
    void WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients);

    /// <summary>The pass is over: all its weight gradients stand in <paramref name="parameters"/>.</summary>
    void EndPass(ParameterSet parameters);

    /// <summary><c>g ← factor·g</c> for all gradients, and for the rows with them.</summary>
    void ScaleGradients(ParameterSet parameters, float factor);
}
