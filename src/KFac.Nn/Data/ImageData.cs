namespace KFac.Nn;

/// <summary>Images to train on and images to validate with.</summary>
/// <param name="Name">Where they come from, for people.</param>
/// <param name="Classes">Labels are 0 to <paramref name="Classes"/> − 1.</param>
public sealed record ImageData(string Name, int Classes, ImageSet Train, ImageSet Validation)
{
    /// <summary>Images that a made or a test-only data set trains on; the rest validates.</summary>
    public const int SmallTrainCount = 8_000;

    /// <summary>Splits one set: the first images train, the rest validates.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Either part would be empty.</exception>
    public static ImageData Split(string name, int classes, ImageSet all, int trainCount)
    {
        ArgumentNullException.ThrowIfNull(all);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(trainCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(trainCount, all.Count);
        return new ImageData(name, classes, all.Slice(0, trainCount), all.Slice(trainCount, all.Count - trainCount));
    }
}
