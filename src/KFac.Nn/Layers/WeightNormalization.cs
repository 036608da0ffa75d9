namespace KFac.Nn;

/// <summary>Whether the rows of a layer's weight, its output channels, are kept at a length of their own.</summary>
/// <remarks>
/// <c>W[r] = g[r]·v[r]/‖v[r]‖</c> over the elements that make one output channel (Salimans and Kingma 2016); a bias stays as it is. The
/// layer's parameter is v, with the bias as its last column. Its Kronecker factors are those of the weight W that the layer multiplies
/// by, and precondition the gradient of v: exact where a row's factor <c>g/‖v‖</c> is 1, as it is at the start.
/// </remarks>
public enum WeightNormalization
{
    /// <summary>The parameter is the weight itself.</summary>
    None,

    /// <summary>Every output channel has length 1, as the networks of the noisy-quadratic paper (Zhang et al. 2019, appendix F.2).</summary>
    Unit,

    /// <summary>Every output channel has a trained length, <c>name.weight_g</c>, a parameter without Kronecker structure. It starts as the
    /// length of the channel's initial weight.</summary>
    Learned,
}
