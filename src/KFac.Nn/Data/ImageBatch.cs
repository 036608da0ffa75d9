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
    private readonly int[] _hostLabels;

    /// <summary>Makes room for <paramref name="capacity"/> images of <paramref name="pixels"/> pixels.</summary>
    public ImageBatch(DeviceStream stream, int capacity, int pixels)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pixels);
        _stream = stream;
        _arena = new Arena(stream.Device);
        _inputs = _arena.Matrix<float>(capacity, pixels);
        _labels = _arena.Vector<int>(capacity);
        _hostInputs = new float[capacity * pixels];
        _hostLabels = new int[capacity];
    }

    /// <summary>Images it was last filled with.</summary>
    public int Count { get; private set; }

    /// <summary>[Count, pixels], from 0 (no ink) to 1.</summary>
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

    private void Stage(ImageSet images, int image, int row)
    {
        ReadOnlySpan<byte> source = images.Image(image);
        Span<float> destination = _hostInputs.AsSpan(row * source.Length, source.Length);
        for (int i = 0; i < source.Length; i++)
        {
            destination[i] = source[i] / 255f;
        }

        _hostLabels[row] = images.Labels[image];
    }

    private void Upload()
    {
        _stream.Upload(_hostInputs.AsSpan(0, Count * _inputs.Columns), Inputs);
        _stream.Upload(_hostLabels.AsSpan(0, Count), Labels);
    }
}
