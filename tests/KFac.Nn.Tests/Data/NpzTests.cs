using System.IO.Compression;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class NpzTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"kfac-npz-{Guid.NewGuid():N}.npz");

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void Arrays_survive_a_round_trip(CompressionLevel compression)
    {
        File.WriteAllBytes(_path, Archive(compression));
        using var reader = new NpzReader(_path);
        Assert.Equal(["A", "labels"], reader.Names);
        using (NpyReader labels = reader.Open("labels"))
        {
            Assert.Equal([4, 5, 6], Npy.ReadInt32(labels).Values);
        }

        using NpyReader factor = reader.Open("A");
        NpyArray<float> array = Npy.ReadSingle(factor);
        Assert.Equal([2, 2], array.Shape);
        Assert.Equal([1f, 0.5f, 0.5f, 2f], array.Values);
    }

    [Fact]
    public void The_same_arrays_give_the_same_bytes() =>
        Assert.Equal(Archive(CompressionLevel.Optimal), Archive(CompressionLevel.Optimal));

    [Fact]
    public void A_missing_array_is_named_with_those_that_exist()
    {
        File.WriteAllBytes(_path, Archive(CompressionLevel.NoCompression));
        using var reader = new NpzReader(_path);
        var exception = Assert.Throws<InvalidDataException>(() => reader.Open("B"));
        Assert.Equal($"{_path} has no array 'B'; it has A, labels.", exception.Message);
    }

    [Fact]
    public void A_truncated_archive_is_refused_and_named()
    {
        byte[] bytes = Archive(CompressionLevel.NoCompression);
        File.WriteAllBytes(_path, bytes[..(bytes.Length / 2)]);
        var exception = Assert.Throws<InvalidDataException>(() => new NpzReader(_path));
        Assert.StartsWith($"{_path} is not a .npz file, or is truncated", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_arrays_of_one_name_are_refused()
    {
        using (FileStream stream = File.Create(_path))
        using (var writer = new NpzWriter(stream))
        {
            writer.Add("A", [1], [1f]);
            writer.Add("A", [1], [2f]);
        }

        Assert.Contains("two arrays named 'A.npy'", Assert.Throws<InvalidDataException>(() => new NpzReader(_path)).Message, StringComparison.Ordinal);
    }

    private static byte[] Archive(CompressionLevel compression)
    {
        using var stream = new MemoryStream();
        using (var writer = new NpzWriter(stream, compression))
        {
            writer.Add("A", [2, 2], [1f, 0.5f, 0.5f, 2f]);
            writer.Add("labels", [3], [4, 5, 6]);
        }

        return stream.ToArray();
    }
}
