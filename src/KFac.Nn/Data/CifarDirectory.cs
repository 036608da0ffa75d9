namespace KFac.Nn;

/// <summary>Reads CIFAR-10 from a directory of its binary files.</summary>
/// <remarks>
/// <c>data_batch_1.bin</c> to <c>data_batch_5.bin</c> train, <c>test_batch.bin</c> validates. A record is one label byte and
/// 3 × 32 × 32 pixel bytes: red, green, blue plane, each row by row. The directory may also be the one that holds
/// <c>cifar-10-batches-bin</c>, as the archive unpacks.
/// </remarks>
public static class CifarDirectory
{
    /// <summary>Labels are 0 to 9.</summary>
    public const int Classes = 10;

    /// <summary>Colour planes.</summary>
    public const int Channels = 3;

    /// <summary>Height and width.</summary>
    public const int Size = 32;

    private const int PixelCount = Channels * Size * Size;
    private const int RecordLength = 1 + PixelCount;
    private const int TrainFiles = 5;
    private const string ArchiveFolder = "cifar-10-batches-bin";

    /// <summary>Reads the directory.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FileNotFoundException">A file is missing; the message names it.</exception>
    /// <exception cref="InvalidDataException">A file is empty or truncated, or a label is out of range.</exception>
    public static ImageData Load(string directory)
    {
        InputPath.RequireDataDirectory(directory);

        string unpacked = Path.Combine(directory, ArchiveFolder);
        string folder = Directory.Exists(unpacked) ? unpacked : directory;
        ImageSet train = Read([.. Enumerable.Range(1, TrainFiles).Select(i => Existing(folder, $"data_batch_{i}.bin"))]);
        return new ImageData(directory, Classes, train, Read([Existing(folder, "test_batch.bin")]));
    }

    private static string Existing(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? path : throw new FileNotFoundException($"{folder} has no {name}.");
    }

    private static ImageSet Read(string[] paths)
    {
        int[] counts = [.. paths.Select(RecordCount)];
        int total = counts.Sum();
        if ((long)total * PixelCount > Array.MaxLength)
        {
            throw new InvalidDataException($"{Path.GetDirectoryName(paths[0])} holds {total} images; wanted at most {Array.MaxLength / PixelCount}.");
        }

        var pixels = new byte[total * PixelCount];
        var labels = new byte[total];
        int image = 0;
        for (int file = 0; file < paths.Length; file++)
        {
            using FileStream stream = File.OpenRead(paths[file]);
            for (int record = 0; record < counts[file]; record++, image++)
            {
                stream.ReadExactly(labels.AsSpan(image, 1));
                stream.ReadExactly(pixels.AsSpan(image * PixelCount, PixelCount));
                if (labels[image] >= Classes)
                {
                    throw new InvalidDataException($"{paths[file]}: record {record} has label {labels[image]}; wanted 0 to {Classes - 1}.");
                }
            }
        }

        return new ImageSet(Channels, Size, Size, pixels, labels);
    }

    private static int RecordCount(string path)
    {
        long length = new FileInfo(path).Length;
        if (length == 0 || length % RecordLength != 0)
        {
            throw new InvalidDataException(
                $"{path} has {length} bytes: {length / RecordLength} records of {RecordLength} and {length % RecordLength} bytes more; wanted whole records, at least one.");
        }

        return checked((int)(length / RecordLength));
    }
}
