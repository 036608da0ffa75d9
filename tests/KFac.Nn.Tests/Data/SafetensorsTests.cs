using System.Buffers.Binary;
using System.Text;
using Xunit;

namespace KFac.Nn.Tests;

public class SafetensorsTests
{
    private const string TwoTensors =
        """{"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"__metadata__":{"format":"pt"}}""";

    [Fact]
    public void Written_tensors_are_read_again()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "w.safetensors");
        SafetensorsTensor[] tensors =
        [
            new("layer.weight", [2, 3], (float[])[1, 2, 3, 4, 5, float.NaN]),
            new("none", [0, 3], ReadOnlyMemory<float>.Empty),
            new("µ \"x\"", [], (float[])[-0.0f]),
        ];
        Safetensors.Write(path, tensors);
        IReadOnlyList<SafetensorsTensor> read = Safetensors.Read(path);
        Assert.Equal(tensors.Select(static t => t.Name), read.Select(static t => t.Name));
        Assert.All(tensors.Zip(read), static pair =>
        {
            Assert.Equal(pair.First.Shape, pair.Second.Shape);
            Assert.Equal(pair.First.Values.ToArray(), pair.Second.Values.ToArray());
        });
        byte[] bytes = File.ReadAllBytes(path);
        Assert.Equal(0UL, (BinaryPrimitives.ReadUInt64LittleEndian(bytes) + 8) % 64);
        Assert.Single(Directory.GetFiles(directory.Path));
    }

    [Fact]
    public void Files_of_others_are_read_whatever_their_order_and_type()
    {
        Assert.Equal([1.5f, 2, -3], Read(TwoTensors, [1.5f, 2, -3]).SelectMany(static tensor => tensor.Values.ToArray()));
        byte[] halves = [0x00, 0x3E, 0x00, 0xC0];
        Assert.Equal([1.5f, -2], Read("""{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}""", halves)[0].Values.ToArray());
        byte[] brains = [0xC0, 0x3F, 0x00, 0xC0];
        Assert.Equal([1.5f, -2], Read("""{"h":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}""", brains)[0].Values.ToArray());
        Assert.Equal([0.1f], Read("""{"h":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}""", BitConverter.GetBytes(0.1))[0].Values.ToArray());
        Assert.Equal([-7f], Read("""{"h":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}""", BitConverter.GetBytes(-7L))[0].Values.ToArray());
        Assert.Equal([-7f], Read("""{"h":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}""", BitConverter.GetBytes(-7))[0].Values.ToArray());
        Assert.Equal([0f, 1], Read("""{"h":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}""", (byte[])[0, 1])[0].Values.ToArray());
    }

    [Theory]
    [InlineData(TwoTensors, 8, "is truncated: 8 bytes of data for tensors of 12")]
    [InlineData(TwoTensors, 16, "has bytes that belong to no tensor: 16 bytes of data for tensors of 12")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "holds two tensors named 'a'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'b' begins at byte 4 of the data and overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "'a' begins at byte 4 of the data and leaves a hole")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "'a' of type F32 and shape [3] lies at [0, 8]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "shape [-2]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[65536,65536,65536],"data_offsets":[0,8]}}""", 8, "fewer than 2³¹ elements")]
    [InlineData("""{"a":{"dtype":"I16","shape":[4],"data_offsets":[0,8]}}""", 8, "'a' has type I16; wanted F32")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "is malformed")]
    [InlineData("""{"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}}""", 8, "is malformed")]
    [InlineData("""{"a":""", 8, "is malformed")]
    [InlineData("""[1]""", 8, "is malformed")]
    public void Malformed_files_are_refused_in_one_line(string header, int dataBytes, string message)
    {
        InvalidDataException failure = Assert.Throws<InvalidDataException>(() => Read(header, new byte[dataBytes]));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Theory]
    [InlineData(new byte[] { 1, 2, 3 }, "has 3 bytes; wanted a safetensors file")]
    [InlineData(new byte[] { 100, 0, 0, 0, 0, 0, 0, 0, 123 }, "is truncated: its header has 100 bytes, but 1 follow the first 8")]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, 123 }, "it is no safetensors file")]
    public void Broken_headers_are_refused(byte[] bytes, string message)
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "w.safetensors");
        File.WriteAllBytes(path, bytes);
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Safetensors.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Impossible_tensors_are_not_written()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "w.safetensors");
        Assert.Throws<ArgumentException>(() => Safetensors.Write(path, [new("a", [2], (float[])[1])]));
        Assert.Throws<ArgumentException>(() => Safetensors.Write(path, [new("a", [1], (float[])[1]), new("a", [1], (float[])[1])]));
        Assert.False(File.Exists(path));
    }

    [SkippableFact]
    public void Devices_are_not_replaced()
    {
        Skip.If(OperatingSystem.IsWindows(), "devices lie in /dev on Unix alone");
        string message = Assert.Throws<IOException>(() => Safetensors.Write("/dev/kfac-test", [])).Message;
        Assert.Equal("/dev/kfac-test is a device; wanted the name of a file.", message);
    }

    private static IReadOnlyList<SafetensorsTensor> Read(string header, float[] data) =>
        Read(header, [.. data.SelectMany(BitConverter.GetBytes)]);

    private static IReadOnlyList<SafetensorsTensor> Read(string header, byte[] data)
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "w.safetensors");
        byte[] json = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. data]);
        return Safetensors.Read(path);
    }
}
