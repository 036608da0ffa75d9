using Xunit;

namespace KFac.Nn.Tests;

public sealed class GraphDataDirectoryTests
{
    [Fact]
    public void Reads_graphs_features_labels_and_split()
    {
        using DataFolder folder = DataFolder.Graphs();
        GraphData data = GraphDataDirectory.Load(folder.Path);
        Assert.Equal([0, 2, 2, 5, 6], data.Graphs.NodeOffsets.ToArray());
        Assert.Equal([0, 1, 1, 3, 3], data.Graphs.EdgeOffsets.ToArray());
        Assert.Equal([0, 2], data.Graphs.SourcesOf(2).ToArray());
        Assert.Equal([2, 1], data.Graphs.TargetsOf(2).ToArray());
        Assert.Equal(0, data.Graphs.EdgesOf(1));
        Assert.Equal(2, data.NodeFeatureCount);
        Assert.Equal([5, 0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5], data.NodeFeatures.ToArray());
        Assert.Equal([0, 1, 2], data.EdgeFeatures.ToArray());
        Assert.Equal(2, data.TaskCount);
        Assert.Equal([0, 1, float.NaN, float.NaN, 1, float.NaN, float.NaN, 0], data.Labels.ToArray());
    }

    [Theory]
    [InlineData("raw/edge.csv", "0,1\n0,3\n2,1\n", "edge.csv: row 2 names node 3, but graph 2 has 3; wanted 0 to 2")]
    [InlineData("raw/edge-feat.csv", "0\n1\n", "edge-feat.csv has 2 rows; wanted 3, one per edge")]
    [InlineData("raw/edge-feat.csv", "0\n\n2\n", "edge-feat.csv: row 2 has '' in field 1; wanted a whole number")]
    [InlineData("raw/edge-feat.csv", "0\n-1\n2\n", "edge-feat.csv: row 2 has -1 in field 1; wanted a category from 0 to 1023")]
    [InlineData("raw/graph-label.csv", "0,1\n,\n2,\n,0\n", "graph-label.csv: row 3 has 2 in field 1; wanted 0, 1 or nothing")]
    [InlineData("raw/graph-label.csv", "0,1\n,\n,0\n", "graph-label.csv has 3 rows; wanted 4, one per graph")]
    [InlineData("raw/graph-label.csv", "0,1\n,\n,,\n,0\n", "graph-label.csv: row 3 has 3 fields; wanted 2")]
    [InlineData("raw/num-node-list.csv", "2\n0\n2147483647\n1\n", "num-node-list.csv: row 3 is 2147483647; wanted a count, at most")]
    public void Refuses_bad_files_in_one_line_with_file_and_row(string file, string text, string message)
    {
        using DataFolder folder = DataFolder.Graphs();
        folder.Replace(file, text);
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => GraphDataDirectory.Load(folder.Path));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void Refuses_corrupt_gzip()
    {
        using DataFolder folder = DataFolder.Graphs();
        string path = System.IO.Path.Combine(folder.Path, "raw", "edge.csv.gz");
        byte[] bytes = File.ReadAllBytes(path);
        Array.Fill(bytes, (byte)0xFF, 10, bytes.Length - 10);
        File.WriteAllBytes(path, bytes);
        Assert.Contains("is corrupt gzip", Assert.ThrowsAny<InvalidDataException>(() => GraphDataDirectory.Load(folder.Path)).Message, StringComparison.Ordinal);
    }
}
