namespace KFac.Nn;

/// <summary>Images with one label each, on the host.</summary>
/// <remarks>Pixels are bytes, image after image; an image is one plane per channel, each row-major. Training sees them
/// divided by 255.</remarks>
public sealed class ImageSet
{
    private readonly ReadOnlyMemory<byte> _pixels;
    private readonly ReadOnlyMemory<byte> _labels;

    /// <summary>Borrows the arrays of grey-scale images.</summary>
    /// <inheritdoc cref="ImageSet(int, int, int, ReadOnlyMemory{byte}, ReadOnlyMemory{byte})"/>
    public ImageSet(int height, int width, ReadOnlyMemory<byte> pixels, ReadOnlyMemory<byte> labels)
        : this(1, height, width, pixels, labels)
    {
    }

    /// <summary>Borrows the arrays.</summary>
    /// <param name="channels">Planes of an image.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <param name="pixels"><c>count·channels·height·width</c> values.</param>
    /// <param name="labels">One per image.</param>
    /// <exception cref="ArgumentException">The numbers of pixels and labels do not belong together.</exception>
    public ImageSet(int channels, int height, int width, ReadOnlyMemory<byte> pixels, ReadOnlyMemory<byte> labels)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(channels);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        if (pixels.Length != (long)labels.Length * channels * height * width)
        {
            throw new ArgumentException(
                $"There are {pixels.Length} pixels; wanted {(long)labels.Length * channels * height * width} for {labels.Length} labels of {channels}×{height}×{width} images.");
        }

        Channels = channels;
        Height = height;
        Width = width;
        _pixels = pixels;
        _labels = labels;
    }

    /// <summary>Planes of an image: 1 for grey, 3 for red, green and blue.</summary>
    public int Channels { get; }

    /// <summary>Rows of an image.</summary>
    public int Height { get; }

    /// <summary>Columns of an image.</summary>
    public int Width { get; }

    /// <summary>Number of images.</summary>
    public int Count => _labels.Length;

    /// <summary>Values of one image, all channels together.</summary>
    public int PixelCount => Channels * Height * Width;

    /// <summary>All labels.</summary>
    public ReadOnlySpan<byte> Labels => _labels.Span;

    /// <summary>All pixels.</summary>
    public ReadOnlySpan<byte> Pixels => _pixels.Span;

    /// <summary>The pixels of one image.</summary>
    public ReadOnlySpan<byte> Image(int index) => _pixels.Span.Slice(index * PixelCount, PixelCount);

    /// <summary>The images from <paramref name="start"/> on, <paramref name="count"/> of them, without copying.</summary>
    public ImageSet Slice(int start, int count) => new(
        Channels, Height, Width, _pixels.Slice(start * PixelCount, count * PixelCount), _labels.Slice(start, count));

    /// <summary>CRC-32C of pixels and labels: tells whether a checkpoint belongs to this data.</summary>
    public uint Fingerprint() =>
        Checksum.Finish(Checksum.Append(Checksum.Append(Checksum.Initial, Pixels), Labels));
}
