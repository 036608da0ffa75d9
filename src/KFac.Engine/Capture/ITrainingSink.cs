using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Takes from a training backward pass what its weight gradients are made of, besides the output gradients.</summary>
/// <remarks>The rows make a low-rank form of the gradient: with N rows, <c>∇W = Gᵀ[X, 1]</c> has rank N at most, and where N is
/// small it is cheaper to precondition G and X than their product. Whoever changes the gradients between the pass and the
/// step needs to do nothing: the change is noticed and the matrix is used. Only scaling has a way of its own,
/// <see cref="ScaleGradients"/>, which keeps the rows in use.
/// <para>A pass after which nobody reads the gradients may leave them to the sink, which takes the rows in their place
/// (<see cref="BeginPass"/>): the product <c>Gᵀ·X</c> need not be computed then, nor be watched for changes.</para></remarks>
public interface ITrainingSink : ICaptureSink
{
    /// <summary>Whether a pass of the same shape as the last one may run without this sink, which would keep nothing of it.</summary>
    bool MayBeLeftOut => false;

    /// <summary>A pass begins: what an earlier one delivered is forgotten.</summary>
    /// <param name="mayTake">Whether the sink may take rows in place of gradients: whoever runs the pass asks for
    /// <see cref="FormGradients"/> before reading or changing any.</param>
    void BeginPass(bool mayTake);

    /// <summary>One use of a layer in the pass. The sum of <c>Gᵀ·X</c>, with a bias <c>Gᵀ·[X, 1]</c>, over all calls of the pass
    /// must be the layer's weight gradient.</summary>
    /// <param name="inputs">X, [N, P_in], without the constant 1 of a bias. Borrowed: valid only during the call.</param>
    /// <param name="outputGradients">G, [N, P_out], of the mean-reduced training loss. Borrowed alike.</param>
    /// <returns>Whether the sink takes the rows in place of <c>Gᵀ·X</c>, which is then left out of the weight gradient; never
    /// unless the pass was begun so.</returns>
    bool WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients);

    /// <summary>The pass is over: all its weight gradients stand in <paramref name="parameters"/>, less what was taken. The
    /// gradient of a layer of which all was taken is undefined.</summary>
    void EndPass(ParameterSet parameters);

    /// <summary>Writes the gradients whose rows were taken: the pass is then as one in which nothing was.</summary>
    void FormGradients(ParameterSet parameters);

    /// <summary><c>g ← factor·g</c> for all gradients, and for the rows with them. Forms gradients that were taken.</summary>
    void ScaleGradients(ParameterSet parameters, float factor);
}
