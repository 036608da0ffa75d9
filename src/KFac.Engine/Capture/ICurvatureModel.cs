using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Which approximation a layer with weight sharing gets; without sharing the two agree.</summary>
public enum SharingApproximation
{
    /// <summary>K-FAC-expand: every row counts as an example of its own.</summary>
    Expand,

    /// <summary>K-FAC-reduce: each example's rows are reduced to one.</summary>
    Reduce,
}

/// <summary>Which output gradients go into the factor B.</summary>
public enum CurvatureKind
{
    /// <summary>Every column of a root of the loss's Hessian: the exact GGN's B.</summary>
    Exact,

    /// <summary>Gradients on labels sampled from the model's predictive distribution: an unbiased estimate of it.</summary>
    MonteCarlo,

    /// <summary>Gradients on the training labels.</summary>
    Empirical,

    /// <summary>None: B is the identity (FOOF).</summary>
    ForwardOnly,
}

/// <summary>A model after a forward pass, able to hand over what the factors need.</summary>
/// <remarks>Implemented by the network library; the engine never sees layers, only rows.</remarks>
public interface ICurvatureModel
{
    /// <summary>The layers with Kronecker factors, in a fixed order.</summary>
    IReadOnlyList<KroneckerLayer> Layers { get; }

    /// <summary>The setting of the loss: M·R terms are expand, M terms reduce.</summary>
    SharingApproximation LossSetting { get; }

    /// <summary>Terms of the loss in the last forward pass: M, or M·R in the expand setting; masked rows may be left out. A mean-reduced loss divides by it.</summary>
    int LossTerms { get; }

    /// <summary>Stands for where the values of the last forward pass lie and what is done with them: while it is the same, the captures
    /// give a device the same work, and those of output gradients the same but for what completes the key. Null where that
    /// is not known.</summary>
    ulong? PassMark => null;

    /// <summary>Hands over every layer's inputs of the last forward pass.</summary>
    void CaptureInputs(ICaptureSink sink);

    /// <summary>Back-propagates the seeds of <paramref name="kind"/> through the last forward pass, without weight
    /// gradients, and hands over every layer's output gradients.</summary>
    /// <param name="samples">Number of Monte-Carlo samples per loss term; ignored by other kinds.</param>
    /// <param name="key">Random numbers of the samples; ignored by other kinds.</param>
    void CaptureOutputGradients(CurvatureKind kind, int samples, DeviceKey key, ICaptureSink sink);
}
