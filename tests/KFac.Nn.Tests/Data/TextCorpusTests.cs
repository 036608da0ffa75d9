using System.Text;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class TextCorpusTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Numbers_characters_by_code_point_and_splits_nine_to_one()
    {
        File.WriteAllText(_directory.File("input.txt"), "bä😀a" + new string('b', 26));
        TextCorpus corpus = TextCorpus.Load(_directory.Path);
        Assert.Equal(["a", "b", "ä", "😀"], corpus.Vocabulary.Select(static rune => rune.ToString()));
        Assert.Equal([1, 2, 3, 0, 1], corpus.Train[..5].ToArray());
        Assert.Equal((27, 3), (corpus.Train.Length, corpus.Validation.Length));
    }

    [Fact]
    public void Leaves_out_a_byte_order_mark()
    {
        File.WriteAllText(_directory.File("play.txt"), new string('a', 30), new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        Assert.Single(TextCorpus.Load(_directory.Path).Vocabulary);
    }

    [Fact]
    public void Refuses_what_is_not_utf8_with_line_and_offset()
    {
        File.WriteAllBytes(_directory.File("input.txt"), [.. "one\ntwo "u8, 0xFF, .. "three"u8]);
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => TextCorpus.Load(_directory.Path));
        Assert.Contains("input.txt: line 2 has byte 0xFF at offset 8, which is not UTF-8", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_text_that_is_too_short()
    {
        File.WriteAllText(_directory.File("input.txt"), "short");
        Assert.Contains("has 5 characters; wanted at least 20", Assert.ThrowsAny<InvalidDataException>(() => TextCorpus.Load(_directory.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Refuses_a_directory_without_one_obvious_text(int files)
    {
        for (int i = 0; i < files; i++)
        {
            File.WriteAllText(_directory.File($"{i}.txt"), new string('a', 30));
        }

        Assert.Contains($"has {files} text files and no input.txt", Assert.Throws<FileNotFoundException>(() => TextCorpus.Load(_directory.Path)).Message, StringComparison.Ordinal);
    }
}
