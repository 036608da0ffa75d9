using System.Text;

namespace KFac.Nn;

/// <summary>Text as a sequence of character numbers: the first part trains, the rest validates.</summary>
/// <remarks>A character is a Unicode scalar value. The vocabulary holds every character of the text, in order of its code
/// point, so the same text always gives the same numbers.</remarks>
public sealed class TextCorpus
{
    private readonly int[] _characters;
    private readonly int _trainCount;

    private TextCorpus(string name, Rune[] vocabulary, int[] characters, int trainCount)
    {
        Name = name;
        Vocabulary = vocabulary;
        _characters = characters;
        _trainCount = trainCount;
    }

    /// <summary>Share of the text that trains.</summary>
    public const double TrainShare = 0.9;

    /// <summary>Where it comes from, for people.</summary>
    public string Name { get; }

    /// <summary>Every character that occurs, ascending; a character's number is its place here.</summary>
    public IReadOnlyList<Rune> Vocabulary { get; }

    /// <summary>What trains.</summary>
    public ReadOnlySpan<int> Train => _characters.AsSpan(0, _trainCount);

    /// <summary>What validates.</summary>
    public ReadOnlySpan<int> Validation => _characters.AsSpan(_trainCount);

    /// <summary>Reads <c>input.txt</c> of a directory, or else its only <c>.txt</c> file.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FileNotFoundException">There is no text file, or more than one and none is called input.txt.</exception>
    /// <exception cref="InvalidDataException">The text is not UTF-8, or too short to split.</exception>
    public static TextCorpus Load(string directory)
    {
        InputPath.RequireDataDirectory(directory);

        string path = Path.Combine(directory, "input.txt");
        if (!File.Exists(path))
        {
            string[] found = Directory.GetFiles(directory, "*.txt");
            path = found.Length == 1
                ? found[0]
                : throw new FileNotFoundException($"{directory} has {found.Length} text files and no input.txt; wanted input.txt or one *.txt.");
        }

        return FromUtf8(path, File.ReadAllBytes(path));
    }

    /// <summary>Takes text that the program made.</summary>
    /// <exception cref="InvalidDataException">The text is too short to split.</exception>
    public static TextCorpus FromText(string name, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return FromRunes(name, [.. text.EnumerateRunes()]);
    }

    /// <summary>Decodes strictly: a byte sequence that is not UTF-8 is refused with its place.</summary>
    private static TextCorpus FromUtf8(string path, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> rest = bytes.StartsWith(Encoding.UTF8.Preamble) ? bytes[Encoding.UTF8.Preamble.Length..] : bytes;
        var runes = new List<Rune>(rest.Length);
        int line = 1;
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(rest, out Rune rune, out int used) != System.Buffers.OperationStatus.Done)
            {
                throw new InvalidDataException(
                    $"{path}: line {line} has byte 0x{rest[0]:X2} at offset {bytes.Length - rest.Length}, which is not UTF-8; wanted UTF-8 text.");
            }

            line += rune.Value == '\n' ? 1 : 0;
            runes.Add(rune);
            rest = rest[used..];
        }

        return FromRunes(path, runes);
    }

    private static TextCorpus FromRunes(string name, List<Rune> runes)
    {
        int trainCount = (int)(runes.Count * TrainShare);
        if (trainCount < 2 || runes.Count - trainCount < 2)
        {
            throw new InvalidDataException($"{name} has {runes.Count} characters; wanted at least 20, to train on some and validate on the rest.");
        }

        Rune[] vocabulary = [.. runes.Distinct().Order()];
        Dictionary<Rune, int> numbers = vocabulary.Select(static (rune, number) => (rune, number)).ToDictionary();
        return new TextCorpus(name, vocabulary, [.. runes.Select(rune => numbers[rune])], trainCount);
    }
}
