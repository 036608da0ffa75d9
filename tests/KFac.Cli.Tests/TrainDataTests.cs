using System.Text;
using Xunit;

namespace KFac.Cli.Tests;

/// <summary>Bad data of every kind, as a user meets it: one line that names the file and, where there is one, the row.</summary>
public sealed class TrainDataTests : IDisposable
{
    private const int CifarRecord = 1 + (3 * 32 * 32);

    private readonly CommandLine _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("raw/node-feat.csv", "0,1\n0\n1,0\n", "node-feat.csv: row 2 has 1 field; wanted 2")]
    [InlineData("raw/node-feat.csv", "0,1\n0,1\n", "node-feat.csv has 2 rows; wanted 3, one per node")]
    [InlineData("raw/node-feat.csv", "0,1\n0,\n1,0\n", "node-feat.csv: row 2 has '' in field 2; wanted a number")]
    [InlineData("raw/edge.csv", "0,1\n1,3\n", "edge.csv: row 2 names node 3, but graph 0 has 3; wanted 0 to 2")]
    [InlineData("raw/num-edge-list.csv", "5\n", "edge.csv has 2 rows; wanted 5, the sum of num-edge-list.csv")]
    [InlineData("raw/num-node-list.csv", "-1\n", "num-node-list.csv: row 1 is -1; wanted a count")]
    [InlineData("raw/node-label.csv", "0\nä\n1\n", "node-label.csv: row 2 has 'ä' in field 1; wanted a whole number")]
    [InlineData("raw/node-label.csv", "0\n2000000000\n1\n", "node-label.csv: row 2 is 2000000000; wanted a class")]
    [InlineData("split/public/train.csv", "7\n", "train.csv: row 1 is 7; wanted 0 to 2")]
    public void Graphs(string file, string text, string problem)
    {
        Write("raw/num-node-list.csv", "3\n");
        Write("raw/num-edge-list.csv", "2\n");
        Write("raw/edge.csv", "0,1\n1,2\n");
        Write("raw/node-feat.csv", "0,1\n1,1\n1,0\n");
        Write("raw/node-label.csv", "0\n1\n1\n");
        Write("split/public/train.csv", "0\n");
        Write("split/public/valid.csv", "1\n");
        Write("split/public/test.csv", "2\n");
        Write(file, text);
        _cli.RunFails(1, problem, "train", "cora-gcn", "--data", "@data", "--steps", "1");
    }

    [Theory]
    [InlineData("data_batch_3.bin", 0, -5, "data_batch_3.bin has 6141 bytes: 1 records of 3073 and 3068 bytes more; wanted whole records")]
    [InlineData("test_batch.bin", 0, -2 * CifarRecord, "test_batch.bin has 0 bytes")]
    [InlineData("data_batch_2.bin", 12, 0, "data_batch_2.bin: record 1 has label 12; wanted 0 to 9")]
    public void Cifar(string file, byte label, int cut, string problem)
    {
        foreach (string name in (string[])[.. Enumerable.Range(1, 5).Select(static i => $"data_batch_{i}.bin"), "test_batch.bin"])
        {
            var bytes = new byte[(2 * CifarRecord) + (name == file ? cut : 0)];
            if (name == file && label > 0)
            {
                bytes[CifarRecord] = label;
            }

            Write(name, bytes);
        }

        _cli.RunFails(1, problem, "train", "cifar10-vgg11", "--data", "@data", "--steps", "1");
    }

    [Fact]
    public void Text()
    {
        Write("input.txt", [.. Encoding.UTF8.GetBytes("first\nsecond "), 0xC3, 0x28]);
        _cli.RunFails(1, "input.txt: line 2 has byte 0xC3 at offset 13, which is not UTF-8", "train", "shakespeare-gpt", "--data", "@data", "--steps", "1");
        Write("input.txt", "too short");
        _cli.RunFails(1, "input.txt has 9 characters; wanted at least 20", "train", "shakespeare-gpt", "--data", "@data", "--steps", "1");
    }

    [Fact]
    public void Data_that_is_not_read() => _cli.RunFails(
        1, "copy-transformer makes its data and reads none; leave", "train", "copy-transformer", "--data", "@data", "--steps", "1");

    private void Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    private void Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_cli["data"], name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
    }
}
