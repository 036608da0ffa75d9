using Xunit;

namespace KFac.Nn.Tests;

public sealed class IdxFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Reads_plain_and_zipped_whatever_the_name(bool zip)
    {
        byte[] bytes = IdxBytes.Of([1, 2, 3, 4, 5, 6], 1, 2, 3);
        string path = Write(zip ? IdxBytes.Zip(bytes) : bytes);
        IdxArray array = IdxFile.Read(path, 3);
        Assert.Equal([1, 2, 3], array.Dimensions);
        Assert.Equal([1, 2, 3, 4, 5, 6], array.Values);
    }

    [Fact]
    public void Reads_no_values_at_all() => Assert.Empty(IdxFile.Read(Write(IdxBytes.Of([], 0)), 1).Values);

    [Theory]
    [InlineData("", "is empty; wanted an IDX header")]
    [InlineData("0000", "ends after 2 bytes; wanted an IDX header")]
    [InlineData("89504E470D0A1A0A", "starts with 0x89504E47; wanted 0x00000801")]
    [InlineData("00000D0100000001", "starts with 0x00000D01; wanted 0x00000801")]
    [InlineData("0000080300000001", "has rank 3 (0x00000803); wanted rank 1 (0x00000801)")]
    [InlineData("000008010000", "ends after 6 bytes; wanted a header of 8 bytes")]
    [InlineData("00000801FFFFFFFF", "says that dimension 0 is 4294967295; wanted at most")]
    [InlineData("000008010000000305", "has 1 values; wanted 3 values for 3")]
    [InlineData("00000801000000010506", "goes on after 1 values; wanted its end there")]
    [InlineData("0000080170000000", "has 0 values; wanted 1879048192 values")]
    public void Refuses_a_malformed_file_with_what_was_found_and_wanted(string hex, string message)
    {
        string path = Write(Convert.FromHexString(hex));
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => IdxFile.Read(path, 1));
        Assert.StartsWith(path, failure.Message, StringComparison.Ordinal);
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_truncated_gzip()
    {
        byte[] zipped = IdxBytes.Zip(IdxBytes.Of(Noise(5000), 5000));
        string path = Write(zipped[..^400]);
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => IdxFile.Read(path, 1));
        Assert.StartsWith(path, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_corrupt_gzip()
    {
        byte[] zipped = IdxBytes.Zip(IdxBytes.Of(Noise(5000), 5000));
        Array.Fill(zipped, (byte)0xFF, 10, 50);
        string path = Write(zipped);
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => IdxFile.Read(path, 1));
        Assert.Contains("corrupt gzip", failure.Message, StringComparison.Ordinal);
        Assert.StartsWith(path, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_gzip_whose_values_do_not_match_their_checksum()
    {
        byte[] zipped = IdxBytes.Zip(IdxBytes.Of(Noise(5000), 5000));
        zipped[^6] ^= 1;
        string path = Write(zipped);
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => IdxFile.Read(path, 1));
        Assert.StartsWith(path, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_a_missing_file() =>
        Assert.Contains("absent", Assert.Throws<FileNotFoundException>(() => IdxFile.Read(_directory.File("absent"), 1)).Message, StringComparison.Ordinal);

    private static byte[] Noise(int length)
    {
        var noise = new byte[length];
        uint state = 1;
        for (int i = 0; i < length; i++)
        {
            state = (state * 1664525) + 1013904223;
            noise[i] = (byte)(state >> 24);
        }

        return noise;
    }

    private string Write(byte[] bytes)
    {
        string path = _directory.File("file.idx");
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
