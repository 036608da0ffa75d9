using Xunit;

namespace KFac.Nn.Tests;

public sealed class CifarDirectoryTests : IDisposable
{
    private const int RecordLength = 3073;
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("cifar-10-batches-bin")]
    public void Reads_planes_and_labels_in_the_order_of_the_files(string folder)
    {
        WriteAll(Directory.CreateDirectory(_directory.File(folder)).FullName);
        ImageData data = CifarDirectory.Load(_directory.Path);
        Assert.Equal((10, 2), (data.Train.Count, data.Validation.Count));
        Assert.Equal((3, 32, 32), (data.Train.Channels, data.Train.Height, data.Train.Width));
        Assert.Equal([1, 2, 2, 3, 3, 4, 4, 5, 5, 6], data.Train.Labels.ToArray());
        Assert.Equal(Pixels(file: 3, record: 1), data.Train.Image(5).ToArray());
    }

    [Fact]
    public void Refuses_a_truncated_file()
    {
        WriteAll(_directory.Path);
        File.WriteAllBytes(_directory.File("data_batch_2.bin"), new byte[RecordLength + 7]);
        InvalidDataException failure = Assert.ThrowsAny<InvalidDataException>(() => CifarDirectory.Load(_directory.Path));
        Assert.Contains("data_batch_2.bin has 3080 bytes: 1 records of 3073 and 7 bytes more; wanted whole records", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_an_empty_file()
    {
        WriteAll(_directory.Path);
        File.WriteAllBytes(_directory.File("test_batch.bin"), []);
        Assert.Contains("test_batch.bin has 0 bytes", Assert.ThrowsAny<InvalidDataException>(() => CifarDirectory.Load(_directory.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_label_that_is_no_class()
    {
        WriteAll(_directory.Path);
        byte[] bytes = new byte[2 * RecordLength];
        bytes[RecordLength] = 10;
        File.WriteAllBytes(_directory.File("data_batch_4.bin"), bytes);
        Assert.Contains("data_batch_4.bin: record 1 has label 10; wanted 0 to 9", Assert.ThrowsAny<InvalidDataException>(() => CifarDirectory.Load(_directory.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_a_missing_file()
    {
        WriteAll(_directory.Path);
        File.Delete(_directory.File("data_batch_5.bin"));
        Assert.Contains("has no data_batch_5.bin", Assert.Throws<FileNotFoundException>(() => CifarDirectory.Load(_directory.Path)).Message, StringComparison.Ordinal);
    }

    private static void WriteAll(string folder)
    {
        for (int file = 1; file <= 6; file++)
        {
            byte[] records = [(byte)file, .. Pixels(file, 0), (byte)(file + 1), .. Pixels(file, 1)];
            File.WriteAllBytes(Path.Combine(folder, file == 6 ? "test_batch.bin" : $"data_batch_{file}.bin"), records);
        }
    }

    private static byte[] Pixels(int file, int record) => [.. Enumerable.Range(0, RecordLength - 1).Select(i => (byte)((7 * i) + file + (3 * record)))];
}
