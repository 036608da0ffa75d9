using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A batch of token sequences on the device.</summary>
/// <remarks>Sequences of different lengths lie one after another without padding: no padding row ever enters a layer or a
/// factor. Tokens must be 0 to V − 1 of the embedding that reads them, which whoever makes them checks.</remarks>
/// <param name="Tokens">[M·T], or [R_M] when lengths differ.</param>
/// <param name="Examples">M.</param>
/// <param name="Segments">Where each sequence begins, when lengths differ; null otherwise.</param>
public readonly record struct TokenSequences(VectorView<int> Tokens, int Examples, SegmentOffsets? Segments)
{
    /// <summary>[M, T, 1], or [R_M, 1] when lengths differ.</summary>
    internal TensorShape Shape =>
        Segments is null ? TensorShape.Of(Examples, Tokens.Length / Examples, 1) : TensorShape.Of(Tokens.Length, 1);

    /// <summary>Sequences of one length.</summary>
    /// <param name="tokens">[M·T].</param>
    /// <param name="examples">M, at least 1.</param>
    /// <exception cref="ArgumentException">The tokens don't divide evenly, or there are none.</exception>
    public static TokenSequences Uniform(VectorView<int> tokens, int examples)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(examples);
        return tokens.Length == 0 || tokens.Length % examples != 0
            ? throw new ArgumentException($"{tokens.Length} tokens were given for {examples} sequences of one length; wanted a multiple.", nameof(tokens))
            : new TokenSequences(tokens, examples, null);
    }

    /// <summary>Sequences of different lengths.</summary>
    /// <param name="tokens">[R_M].</param>
    /// <exception cref="ArgumentException">The segments cover another number of tokens.</exception>
    public static TokenSequences Ragged(VectorView<int> tokens, SegmentOffsets segments)
    {
        ArgumentNullException.ThrowIfNull(segments);
        return segments.Rows != tokens.Length || tokens.Length == 0
            ? throw new ArgumentException($"{tokens.Length} tokens were given for segments of {segments.Rows}; wanted as many, and at least one.", nameof(tokens))
            : new TokenSequences(tokens, segments.Segments, segments);
    }
}
