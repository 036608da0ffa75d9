namespace KFac.Nn;

/// <summary>Reads MNIST, or data in its layout, from a directory of IDX files.</summary>
/// <remarks>
/// With <c>train-images-idx3-ubyte</c> and <c>train-labels-idx1-ubyte</c> beside the <c>t10k</c> files the standard split
/// is used: train files to train, t10k files to validate. With the t10k files alone, the first
/// <see cref="ImageData.SmallTrainCount"/> of their images train and the rest validates. Each file may carry <c>.gz</c>;
/// the plain file is preferred where both exist.
/// </remarks>
public static class MnistDirectory
{
    private const int Classes = 10;

    /// <summary>Reads the directory.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FileNotFoundException">A file is missing; the message lists the names that were looked for.</exception>
    /// <exception cref="InvalidDataException">A file is malformed, or the files do not belong together.</exception>
    public static ImageData Load(string directory)
    {
        InputPath.RequireDataDirectory(directory);

        ImageSet? train = Find(directory, "train");
        ImageSet? test = Find(directory, "t10k");
        if (train is not null && test is not null)
        {
            if (train.Height != test.Height || train.Width != test.Width)
            {
                throw new InvalidDataException(
                    $"{directory}: training images are {train.Height}×{train.Width} and t10k images {test.Height}×{test.Width}; wanted one size.");
            }

            return new ImageData(directory, Classes, train, test);
        }

        if (test is null)
        {
            string also = train is null ? string.Empty : "; the train files are there, but validation needs the t10k files";
            throw new FileNotFoundException(
                $"{directory} has no MNIST files; looked for {Names("t10k", "images", 3)} and {Names("t10k", "labels", 1)}{also}.");
        }

        if (test.Count <= ImageData.SmallTrainCount)
        {
            throw new InvalidDataException(
                $"{directory} has {test.Count} t10k images and no train files; wanted more than {ImageData.SmallTrainCount}, "
                + $"of which the first {ImageData.SmallTrainCount} train.");
        }

        return ImageData.Split(directory, Classes, test, ImageData.SmallTrainCount);
    }

    /// <summary>Both files of a part, or null when neither exists.</summary>
    private static ImageSet? Find(string directory, string part)
    {
        string? images = Existing(directory, part, "images", 3);
        string? labels = Existing(directory, part, "labels", 1);
        if (images is null && labels is null)
        {
            return null;
        }

        if (images is null || labels is null)
        {
            string missing = images is null ? Names(part, "images", 3) : Names(part, "labels", 1);
            throw new FileNotFoundException(
                $"{directory} has {Path.GetFileName(images ?? labels)} but not its counterpart; looked for {missing}.");
        }

        return Read(images, labels);
    }

    private static ImageSet Read(string imagePath, string labelPath)
    {
        IdxArray images = IdxFile.Read(imagePath, 3);
        IdxArray labels = IdxFile.Read(labelPath, 1);
        if (images.Values.Length == 0)
        {
            throw new InvalidDataException(
                $"{imagePath} holds {string.Join('×', images.Dimensions)} images; wanted at least one image of at least one pixel.");
        }

        if (images.Dimensions[0] != labels.Dimensions[0])
        {
            throw new InvalidDataException(
                $"{imagePath} holds {images.Dimensions[0]} images but {labelPath} holds {labels.Dimensions[0]} labels; wanted one label per image.");
        }

        int outside = labels.Values.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)(Classes - 1));
        if (outside >= 0)
        {
            throw new InvalidDataException($"{labelPath}: label {outside} is {labels.Values[outside]}; wanted 0 to {Classes - 1}.");
        }

        return new ImageSet(images.Dimensions[1], images.Dimensions[2], images.Values, labels.Values);
    }

    private static string? Existing(string directory, string part, string kind, int rank) =>
        CompressedFile.TryFind(directory, FileName(part, kind, rank));

    private static string Names(string part, string kind, int rank) => $"{FileName(part, kind, rank)}[.gz]";

    private static string FileName(string part, string kind, int rank) => $"{part}-{kind}-idx{rank}-ubyte";
}
