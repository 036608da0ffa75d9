using System.Text;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Made text: sentences of a small grammar, whose subject decides the verb's form and whose adjectives keep an order.</summary>
/// <remarks>Stands in for a book where none is at hand. Spelling is learned within a few steps, agreement takes longer. The same seed
/// gives the same text on every machine.</remarks>
public static class MadeText
{
    private const ulong Sequence = 0x5445_5854;

    private static readonly string[] s_sizes = ["small", "large", "tiny", "broad"];
    private static readonly string[] s_colours = ["red", "green", "blue", "grey", "black"];
    private static readonly string[] s_nouns = ["king", "river", "horse", "tower", "letter", "garden", "ship", "winter", "song", "market"];
    private static readonly string[] s_verbs = ["follow", "find", "leave", "want", "remember", "paint", "sell"];
    private static readonly string[] s_adverbs = ["slowly", "again", "at night", "without a word", "in spring"];

    /// <summary>Makes a text of exactly <paramref name="length"/> characters, all of them ASCII.</summary>
    public static string Make(int length, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        var random = new PhiloxGenerator(new PhiloxKey(seed, Sequence));
        var text = new StringBuilder(length + 128);
        while (text.Length < length)
        {
            AppendSentence(text, random);
        }

        text.Length = length;
        return text.ToString();
    }

    private static void AppendSentence(StringBuilder text, PhiloxGenerator random)
    {
        bool plural = random.NextBelow(2) == 1;
        text.Append(plural ? "The " : "A ");
        AppendNoun(text, random, plural);
        text.Append(' ').Append(Pick(s_verbs, random)).Append(plural ? "" : "s").Append(" the ");
        AppendNoun(text, random, random.NextBelow(2) == 1);
        if (random.NextBelow(2) == 1)
        {
            text.Append(' ').Append(Pick(s_adverbs, random));
        }

        text.Append(random.NextBelow(8) == 0 ? ".\n" : ". ");
    }

    private static void AppendNoun(StringBuilder text, PhiloxGenerator random, bool plural)
    {
        foreach (string[] adjectives in (ReadOnlySpan<string[]>)[s_sizes, s_colours])
        {
            if (random.NextBelow(3) == 0)
            {
                text.Append(Pick(adjectives, random)).Append(' ');
            }
        }

        text.Append(Pick(s_nouns, random)).Append(plural ? "s" : "");
    }

    private static string Pick(string[] words, PhiloxGenerator random) => words[random.NextBelow(words.Length)];
}
