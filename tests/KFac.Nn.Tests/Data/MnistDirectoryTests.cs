using Xunit;

namespace KFac.Nn.Tests;

public sealed class MnistDirectoryTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Uses_the_standard_split_when_the_train_files_are_there(bool zip)
    {
        IdxBytes.WritePart(_directory, "train", 20, zip: zip);
        IdxBytes.WritePart(_directory, "t10k", 5, zip: zip);
        ImageData data = MnistDirectory.Load(_directory.Path);
        Assert.Equal(20, data.Train.Count);
        Assert.Equal(5, data.Validation.Count);
        Assert.Equal((2, 3), (data.Train.Height, data.Train.Width));
        Assert.Equal([6, 7, 8, 9, 10, 11], data.Train.Image(1).ToArray());
        Assert.Equal(9, data.Train.Labels[19]);
    }

    [Fact]
    public void Trains_on_the_first_8000_of_the_t10k_files_alone()
    {
        IdxBytes.WritePart(_directory, "t10k", 8_003);
        ImageData data = MnistDirectory.Load(_directory.Path);
        Assert.Equal(8_000, data.Train.Count);
        Assert.Equal(3, data.Validation.Count);
        Assert.Equal((byte)(8_002 * 6 % 256), data.Validation.Image(2)[0]);
    }

    [Fact]
    public void Names_a_missing_directory() => Refused<DirectoryNotFoundException>("no data directory", _directory.File("absent"));

    [Fact]
    public void Says_which_files_it_looked_for() =>
        Refused<FileNotFoundException>("looked for t10k-images-idx3-ubyte[.gz] and t10k-labels-idx1-ubyte[.gz]");

    [Fact]
    public void Refuses_train_files_without_t10k_files()
    {
        IdxBytes.WritePart(_directory, "train", 20);
        Refused<FileNotFoundException>("validation needs the t10k files");
    }

    [Fact]
    public void Refuses_images_without_labels()
    {
        IdxBytes.WritePart(_directory, "t10k", 5);
        File.Delete(_directory.File("t10k-labels-idx1-ubyte"));
        Refused<FileNotFoundException>("looked for t10k-labels-idx1-ubyte[.gz]");
    }

    [Fact]
    public void Refuses_too_few_t10k_images_on_their_own()
    {
        IdxBytes.WritePart(_directory, "t10k", 8_000);
        Refused<InvalidDataException>("has 8000 t10k images and no train files; wanted more than 8000");
    }

    [Fact]
    public void Refuses_another_number_of_labels_than_images()
    {
        IdxBytes.WritePart(_directory, "train", 20, labels: 19);
        IdxBytes.WritePart(_directory, "t10k", 5);
        Refused<InvalidDataException>("holds 20 images but");
    }

    [Fact]
    public void Refuses_a_label_out_of_range()
    {
        IdxBytes.WritePart(_directory, "train", 20);
        IdxBytes.WritePart(_directory, "t10k", 5);
        File.WriteAllBytes(_directory.File("t10k-labels-idx1-ubyte"), IdxBytes.Of([0, 9, 10, 1, 255], 5));
        Refused<InvalidDataException>("label 2 is 10; wanted 0 to 9");
    }

    [Fact]
    public void Refuses_no_images()
    {
        IdxBytes.WritePart(_directory, "train", 0);
        IdxBytes.WritePart(_directory, "t10k", 5);
        Refused<InvalidDataException>("holds 0×2×3 images; wanted at least one");
    }

    [Fact]
    public void Refuses_validation_images_of_another_size()
    {
        IdxBytes.WritePart(_directory, "train", 20);
        IdxBytes.WritePart(_directory, "t10k", 5);
        File.WriteAllBytes(_directory.File("t10k-images-idx3-ubyte"), IdxBytes.Of(new byte[20], 5, 2, 2));
        Refused<InvalidDataException>("training images are 2×3 and t10k images 2×2");
    }

    private void Refused<TException>(string message, string? directory = null)
        where TException : Exception
    {
        TException failure = Assert.ThrowsAny<TException>(() => MnistDirectory.Load(directory ?? _directory.Path));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.Contains(_directory.Path, failure.Message, StringComparison.Ordinal);
    }
}
