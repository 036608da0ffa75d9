using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A mini-batch of images on a device: fixed memory that is filled again and again.</summary>
public sealed class ImageBatch : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly VectorView<int> _labels;
    private readonly MatrixView<float> _inputs;
    private readonly float[] _hostInputs;
    private readonly float[] _hostPlanes;
    private readonly int[] _hostLabels;
    private readonly bool _channelsLast;

    /// <summary>Makes room for <paramref name="capacity"/> images of <paramref name="pixels"/> values.</summary>
    /// <param name="channelsLast">Whether the values of a pixel lie together, [H, W, C], instead of plane by plane.</param>
    public ImageBatch(DeviceStream stream, int capacity, int pixels, bool channelsLast = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pixels);
        _stream = stream;
        _arena = new Arena(stream.Device);
        _inputs = _arena.Matrix<float>(capacity, pixels);
        _labels = _arena.Vector<int>(capacity);
        _hostInputs = new float[capacity * pixels];
        _hostPlanes = new float[pixels];
        _channelsLast = channelsLast;
        _hostLabels = new int[capacity];
    }

    /// <summary>Images it was last filled with.</summary>
    public int Count { get; private set; }

    /// <summary>[Count, values], from 0 (no ink) to 1.</summary>
    public MatrixView<float> Inputs => _inputs.RowRange(0, Count);

    /// <summary>[Count].</summary>
    public VectorView<int> Labels => _labels.Slice(0, Count);

    /// <summary>Fills the batch with the named images.</summary>
    public void Fill(ImageSet images, ReadOnlySpan<int> indices)
    {
        ArgumentNullException.ThrowIfNull(images);
        Begin(images, indices.Length);
        for (int i = 0; i < indices.Length; i++)
        {
            LoadPlanes(images.Image(indices[i]));
            Stage(images, indices[i], i);
        }

        Upload();
    }

    /// <summary>Fills the batch with the named images, each changed at random.</summary>
    public void Fill(ImageSet images, ReadOnlySpan<int> indices, ImageAugmentation augmentation, PhiloxGenerator random)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(augmentation);
        Begin(images, indices.Length);
        for (int i = 0; i < indices.Length; i++)
        {
            augmentation.Apply(images, indices[i], random, _hostPlanes);
            Stage(images, indices[i], i);
        }

        Upload();
    }

    /// <summary>Fills the batch with consecutive images.</summary>
    public void Fill(ImageSet images, int start, int count)
    {
        ArgumentNullException.ThrowIfNull(images);
        Begin(images, count);
        for (int i = 0; i < count; i++)
        {
            LoadPlanes(images.Image(start + i));
            Stage(images, start + i, i);
        }

        Upload();
    }

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();

    private void Begin(ImageSet images, int count)
    {
        if (images.PixelCount != _inputs.Columns)
        {
            throw new ArgumentException($"Images have {images.PixelCount} pixels; wanted {_inputs.Columns}.", nameof(images));
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _hostLabels.Length);
        Count = count;
    }

    private void LoadPlanes(ReadOnlySpan<byte> image)
    {
        for (int i = 0; i < image.Length; i++)
        {
            _hostPlanes[i] = image[i] / 255f;
        }
    }

    /// <summary>Puts the planes and the label into a row of the batch.</summary>
    private void Stage(ImageSet images, int image, int row)
    {
        Span<float> destination = _hostInputs.AsSpan(row * _hostPlanes.Length, _hostPlanes.Length);
        _hostLabels[row] = images.Labels[image];
        if (!_channelsLast || images.Channels == 1)
        {
            _hostPlanes.CopyTo(destination);
            return;
        }

        int plane = images.Height * images.Width;
        for (int channel = 0; channel < images.Channels; channel++)
        {
            for (int pixel = 0; pixel < plane; pixel++)
            {
                destination[(pixel * images.Channels) + channel] = _hostPlanes[(channel * plane) + pixel];
            }
        }
    }

    private void Upload()
    {
        _stream.Upload(_hostInputs.AsSpan(0, Count * _inputs.Columns), Inputs);
        _stream.Upload(_hostLabels.AsSpan(0, Count), Labels);
    }
}
