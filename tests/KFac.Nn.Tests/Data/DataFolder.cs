using System.IO.Compression;
using System.Text;

namespace KFac.Nn.Tests;

/// <summary>A data directory made of text files, some of them zipped, that a test can spoil one file at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public string Path => _directory.Path;

    /// <summary>One graph of four nodes with three edges, two features, two classes.</summary>
    public static DataFolder Nodes()
    {
        var folder = new DataFolder();
        folder.Write("raw/num-node-list.csv", "4\n");
        folder.Write("raw/num-edge-list.csv", "3\n");
        folder.Zip("raw/edge.csv.gz", "0,1\n1,2\n3,0\n");
        folder.Zip("raw/node-feat.csv.gz", "0.5,1\n-2,3e-1\n0,0\n1,1");
        folder.Write("raw/node-label.csv", "1\r\n0\r\n1\r\n0\r\n");
        folder.WriteSplit("public");
        return folder;
    }

    /// <summary>Four graphs of 2, 0, 3 and 1 nodes and 1, 0, 2 and 0 edges, two tasks with missing labels.</summary>
    public static DataFolder Graphs()
    {
        var folder = new DataFolder();
        folder.Write("raw/num-node-list.csv", "2\n0\n3\n1\n");
        folder.Write("raw/num-edge-list.csv", "1\n0\n2\n0\n");
        folder.Zip("raw/edge.csv.gz", "0,1\n0,2\n2,1\n");
        folder.Zip("raw/edge-feat.csv.gz", "0\n1\n2\n");
        folder.Zip("raw/node-feat.csv.gz", "5,0\n6,1\n7,2\n8,3\n9,4\n10,5\n");
        folder.Zip("raw/graph-label.csv.gz", "0,1\n,\n1,\n,0\n");
        folder.WriteSplit("scaffold");
        return folder;
    }

    public void Write(string name, string text)
    {
        string path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    public void Zip(string name, string text)
    {
        string path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        using var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest);
        gzip.Write(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Replaces a file, whether it was zipped or not, by plain text; null removes it.</summary>
    public void Replace(string name, string? text)
    {
        File.Delete(System.IO.Path.Combine(Path, name));
        File.Delete(System.IO.Path.Combine(Path, name + ".gz"));
        if (text is not null)
        {
            Write(name, text);
        }
    }

    public void Dispose() => _directory.Dispose();

    private void WriteSplit(string scheme)
    {
        Write($"split/{scheme}/train.csv", "0\n2\n");
        Write($"split/{scheme}/valid.csv", "1\n");
        Write($"split/{scheme}/test.csv", "3\n");
    }
}
