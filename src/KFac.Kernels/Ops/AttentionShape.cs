namespace KFac.Kernels;

/// <summary>Sizes of multi-head attention.</summary>
/// <param name="Examples">M, sequences.</param>
/// <param name="Heads">H; a head's columns lie beside the next head's.</param>
/// <param name="Queries">Rows of a sequence of queries.</param>
/// <param name="Keys">Rows of a sequence of keys and values.</param>
/// <param name="KeyWidth">d, columns of one head of queries and keys.</param>
/// <param name="ValueWidth">Columns of one head of values and outputs.</param>
public readonly record struct AttentionShape(int Examples, int Heads, int Queries, int Keys, int KeyWidth, int ValueWidth)
{
    /// <summary>Throws when a size is out of range: widths and heads are at least 1, numbers of rows at least 0.</summary>
    /// <exception cref="ArgumentException">Names the sizes.</exception>
    public void Validate()
    {
        if (Examples < 0 || Heads < 1 || Queries < 0 || Keys < 0 || KeyWidth < 1 || ValueWidth < 1)
        {
            throw new ArgumentException($"The attention is {this}; wanted heads and widths of at least 1, numbers of rows of at least 0.");
        }
    }
}

/// <summary>Which keys a query sees.</summary>
/// <param name="Causal">Query i of a sequence sees keys 0 to <c>i + Keys − Queries</c>: the last query sees all.</param>
/// <param name="KeyCounts">[M]: keys from the count on are padding, in each sequence; empty where none is. Counts outside 0 to
/// Keys are clamped to it.</param>
public readonly record struct AttentionMask(bool Causal, VectorView<int> KeyCounts);
