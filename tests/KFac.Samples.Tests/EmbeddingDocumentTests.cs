using KFac.Testing;
using Xunit;

namespace KFac.Samples.Tests;

/// <summary>Every piece of C# in README.md and docs/EMBEDDING.md stands in a sample, which is compiled and run.</summary>
public sealed class EmbeddingDocumentTests
{
    [Theory]
    [InlineData("README.md", 1)]
    [InlineData("docs/EMBEDDING.md", 6)]
    public void Code_of_a_document_stands_in_the_samples(string document, int atLeast)
    {
        string[] samples = [.. Directory.EnumerateFiles(Path.Combine(RepositoryRoot.Path, "samples"), "*.cs", SearchOption.AllDirectories).Select(Read)];
        List<string> blocks = Blocks(Read(Path.Combine(RepositoryRoot.Path, document)));
        Assert.True(blocks.Count >= atLeast, $"{document} has {blocks.Count} pieces of C#; wanted {atLeast} or more.");
        foreach (string block in blocks)
        {
            // A line of dots stands for lines that are left out.
            foreach (string piece in block.Split("\n…\n", StringSplitOptions.RemoveEmptyEntries))
            {
                Assert.True(samples.Any(sample => sample.Contains(piece.Trim('\n'), StringComparison.Ordinal)), $"{document} shows what no sample does:\n{piece}");
            }
        }
    }

    [Fact]
    public void Every_sample_is_named_in_the_document()
    {
        string document = Read(Path.Combine(RepositoryRoot.Path, "docs/EMBEDDING.md"));
        foreach (string sample in Directory.EnumerateDirectories(Path.Combine(RepositoryRoot.Path, "samples")).Select(static path => Path.GetFileName(path)))
        {
            Assert.Contains($"samples/{sample}", document, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_piece_that_no_sample_has_is_found() =>
        Assert.Equal(["planted", "second\nlines"], Blocks("text\n```csharp\nplanted\n```\n```sh\nno\n```\n```csharp\nsecond\nlines\n```\n"));

    private static List<string> Blocks(string markdown)
    {
        var blocks = new List<string>();
        List<string>? open = null;
        foreach (string line in markdown.Split('\n'))
        {
            if (open is null)
            {
                open = line == "```csharp" ? [] : null;
            }
            else if (line == "```")
            {
                blocks.Add(string.Join('\n', open));
                open = null;
            }
            else
            {
                open.Add(line);
            }
        }

        return blocks;
    }

    private static string Read(string path) => File.ReadAllText(path).ReplaceLineEndings("\n");
}
