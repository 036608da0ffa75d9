using Xunit;

namespace KFac.Nn.Tests;

public sealed class NodeDataDirectoryTests
{
    [Fact]
    public void Reads_graph_features_labels_and_split()
    {
        using DataFolder folder = DataFolder.Nodes();
        NodeData data = NodeDataDirectory.Load(folder.Path);
        Assert.Equal(4, data.Graph.NodeCount);
        Assert.Equal([0, 1, 3], data.Graph.SourcesOf(0).ToArray());
        Assert.Equal([1, 2, 0], data.Graph.TargetsOf(0).ToArray());
        Assert.Equal(2, data.FeatureCount);
        Assert.Equal([0.5f, 1, -2, 0.3f, 0, 0, 1, 1], data.Features.ToArray());
        Assert.Equal([1, 0, 1, 0], data.Labels.ToArray());
        Assert.Equal(2, data.Classes);
        Assert.Equal([0, 2], data.Split.Train);
        Assert.Equal([1], data.Split.Validation);
        Assert.Equal([3], data.Split.Test);
    }

    [Theory]
    [InlineData("raw/edge.csv", "0,1\n1,4\n3,0\n", "edge.csv: row 2 names node 4, but graph 0 has 4; wanted 0 to 3")]
    [InlineData("raw/edge.csv", "0,1\n1,-1\n3,0\n", "edge.csv: row 2 names node -1")]
    [InlineData("raw/num-node-list.csv", "0\n", "row 1 names node 0, but graph 0 has 0; wanted no edge of it")]
    [InlineData("raw/edge.csv", "0,1\n1,2\n", "edge.csv has 2 rows; wanted 3, the sum of num-edge-list.csv")]
    [InlineData("raw/edge.csv", "0,1\n1\n3,0\n", "edge.csv: row 2 has 1 field; wanted 2")]
    [InlineData("raw/edge.csv", "0,1\n1,2.5\n3,0\n", "edge.csv: row 2 has '2.5' in field 2; wanted a whole number")]
    [InlineData("raw/edge.csv", "0,1\n\n1,2\n3,0\n", "edge.csv: row 2 has '' in field 1; wanted a whole number")]
    [InlineData("raw/node-feat.csv", "0,0\n0\n0,0\n0,0\n", "node-feat.csv: row 2 has 1 field; wanted 2")]
    [InlineData("raw/node-feat.csv", "0,0\n0,0\n0,0\n", "node-feat.csv has 3 rows; wanted 4, one per node")]
    [InlineData("raw/node-feat.csv", "0,0\n0,0\n0,inf\n0,0\n", "node-feat.csv: row 3 has 'inf' in field 2")]
    [InlineData("raw/node-feat.csv", "0,0\n0,0\n0,NaN\n0,0\n", "node-feat.csv: row 3 has NaN in field 2; wanted a finite number")]
    [InlineData("raw/node-label.csv", "0\n1\n-1\n0\n", "node-label.csv: row 3 is -1; wanted a class from 0 to 65535")]
    [InlineData("raw/node-label.csv", "0\n2000000000\n0\n0\n", "node-label.csv: row 2 is 2000000000; wanted a class from 0 to 65535")]
    [InlineData("raw/node-label.csv", "0\n1\n0\n", "node-label.csv has 3 rows; wanted 4")]
    [InlineData("raw/num-node-list.csv", "", "num-node-list.csv is empty")]
    [InlineData("raw/num-node-list.csv", "-4\n", "num-node-list.csv: row 1 is -4; wanted a count")]
    [InlineData("raw/num-edge-list.csv", "3\n0\n", "num-edge-list.csv has 2 rows; wanted 1, one per graph of num-node-list.csv")]
    [InlineData("split/public/valid.csv", "4\n", "valid.csv: row 1 is 4; wanted 0 to 3")]
    [InlineData("split/public/test.csv", "2\n", "test.csv: row 1 is 2, which train.csv has already")]
    [InlineData("split/public/train.csv", "", "train.csv is empty")]
    public void Refuses_bad_files_in_one_line_with_file_and_row(string file, string text, string message)
    {
        using DataFolder folder = DataFolder.Nodes();
        folder.Replace(file, text);
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => NodeDataDirectory.Load(folder.Path));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
        Assert.StartsWith(folder.Path, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("raw/edge.csv")]
    [InlineData("raw/node-label.csv")]
    [InlineData("split/public/test.csv")]
    public void Names_a_missing_file(string file)
    {
        using DataFolder folder = DataFolder.Nodes();
        folder.Replace(file, null);
        Assert.Contains($"has no {System.IO.Path.GetFileName(file)}[.gz]", Assert.Throws<FileNotFoundException>(() => NodeDataDirectory.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_several_graphs()
    {
        using DataFolder folder = DataFolder.Graphs();
        Assert.Contains("holds 4 graphs; wanted one", Assert.ThrowsAny<InvalidDataException>(() => NodeDataDirectory.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_two_splits()
    {
        using DataFolder folder = DataFolder.Nodes();
        folder.Write("split/random/train.csv", "0\n");
        Assert.Contains("holds public, random; wanted one folder", Assert.ThrowsAny<InvalidDataException>(() => NodeDataDirectory.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_a_missing_directory() =>
        Assert.Throws<DirectoryNotFoundException>(() => NodeDataDirectory.Load("no/such/directory"));

    [Fact]
    public void Reads_rows_longer_than_its_first_buffer()
    {
        using DataFolder folder = DataFolder.Nodes();
        string row = string.Join(',', Enumerable.Repeat("0.25", 40_000));
        folder.Replace("raw/node-feat.csv", string.Join('\n', Enumerable.Repeat(row, 4)));
        NodeData data = NodeDataDirectory.Load(folder.Path);
        Assert.Equal(40_000, data.FeatureCount);
        Assert.Equal(-1, data.Features.Span.IndexOfAnyExcept(0.25f));
    }
}
