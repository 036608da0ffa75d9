using KFac.Kernels;

namespace KFac.Nn;

/// <summary>What a made sequence task asks for.</summary>
public enum SequenceTaskKind
{
    /// <summary>The source backwards.</summary>
    Reverse,

    /// <summary>The source in ascending order.</summary>
    Sort,
}

/// <summary>Made pairs of sequences of different lengths: a source, and the same symbols reversed or sorted.</summary>
/// <remarks>Token 0 begins a target and token 1 ends it; symbols are 2 to <see cref="Vocabulary"/> − 1. Pair i of a seed is the same
/// wherever it is asked for, so nothing is stored.</remarks>
public sealed record SequenceTask
{
    /// <summary>The first token of the decoder's input.</summary>
    public const int Begin = 0;

    /// <summary>The last token of a target.</summary>
    public const int End = 1;

    private const int FirstSymbol = 2;
    private const ulong Sequence = 0x5351_0000_0000_0000;

    /// <summary>What is asked for.</summary>
    public SequenceTaskKind Kind { get; init; }

    /// <summary>Begin, end and symbols.</summary>
    public int Vocabulary { get; init; } = 16;

    /// <summary>Symbols of the shortest source.</summary>
    public int Shortest { get; init; } = 4;

    /// <summary>Symbols of the longest source.</summary>
    public int Longest { get; init; } = 12;

    /// <summary>Of the symbols.</summary>
    public ulong Seed { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        if (Vocabulary <= FirstSymbol || Shortest < 1 || Longest < Shortest)
        {
            throw new ArgumentException(
                $"A sequence task has {Vocabulary} tokens and sources of {Shortest} to {Longest}; wanted at least {FirstSymbol + 1} tokens and lengths of at least 1 in order.");
        }
    }

    /// <summary>Writes a pair.</summary>
    /// <param name="index">Which.</param>
    /// <param name="random">Is restarted.</param>
    /// <param name="source">Room for the longest; holds the symbols afterwards.</param>
    /// <param name="target">As much room; holds the symbols in the order asked for.</param>
    /// <returns>Number of symbols.</returns>
    public int Write(int index, PhiloxGenerator random, Span<int> source, Span<int> target)
    {
        ArgumentNullException.ThrowIfNull(random);
        random.Restart(new PhiloxKey(Seed, Sequence + (uint)index));
        int length = Shortest + random.NextBelow(Longest - Shortest + 1);
        for (int i = 0; i < length; i++)
        {
            source[i] = FirstSymbol + random.NextBelow(Vocabulary - FirstSymbol);
        }

        Span<int> symbols = target[..length];
        source[..length].CopyTo(symbols);
        if (Kind == SequenceTaskKind.Sort)
        {
            symbols.Sort();
        }
        else
        {
            symbols.Reverse();
        }

        return length;
    }
}
