namespace KFac.Nn;

/// <summary>Size of the images that a convolutional network takes, [H, W, C].</summary>
public readonly record struct ImageSize(int Height, int Width, int Channels)
{
    /// <summary>Throws unless all are at least 1.</summary>
    /// <exception cref="ArgumentException">Says what was given.</exception>
    internal void Validate()
    {
        if (Height < 1 || Width < 1 || Channels < 1)
        {
            throw new ArgumentException($"Images are {Height}×{Width} with {Channels} channels; wanted at least 1 each.");
        }
    }
}
