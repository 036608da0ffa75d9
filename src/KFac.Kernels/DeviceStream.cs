using CommunityToolkit.HighPerformance;

namespace KFac.Kernels;

/// <summary>An ordered queue of work on a device. Work on one stream runs in the order it was given.</summary>
/// <remarks>On the CPU a call returns when its work is done. On a GPU it returns at once; host copies and
/// <see cref="Synchronize"/> wait. Not thread-safe: one thread gives work to a stream at a time.</remarks>
public abstract class DeviceStream : IDisposable
{
    private protected DeviceStream(Device device) => Device = device;

    /// <summary>The device that does the work.</summary>
    public Device Device { get; }

    /// <summary>The kernels that run on this stream.</summary>
    internal virtual KernelTable Kernels => Device.Kernels;

    /// <summary>Waits for all work given so far.</summary>
    public abstract void Synchronize();

    /// <summary>Copies host memory into a device vector of the same length.</summary>
    public void Upload<T>(ReadOnlySpan<T> source, VectorView<T> destination)
        where T : unmanaged
    {
        Check.View(this, destination, nameof(destination));
        Check.Same(source.Length, destination.Length, "source length", "destination length");
        UploadCore(source, destination);
    }

    /// <summary>Copies a host matrix into a device matrix of the same shape.</summary>
    public void Upload<T>(ReadOnlySpan2D<T> source, MatrixView<T> destination)
        where T : unmanaged
    {
        Check.View(this, destination, nameof(destination));
        Check.Same(source.Height, destination.Rows, "source rows", "destination rows");
        Check.Same(source.Width, destination.Columns, "source columns", "destination columns");
        for (int row = 0; row < destination.Rows; row++)
        {
            UploadCore(source.GetRowSpan(row), destination.Row(row));
        }
    }

    /// <summary>Copies contiguous row-major host data into a device matrix.</summary>
    public void Upload<T>(ReadOnlySpan<T> source, MatrixView<T> destination)
        where T : unmanaged
    {
        Check.View(this, destination, nameof(destination));
        Check.Same(source.Length, (long)destination.Rows * destination.Columns, "source length", "elements of the destination");
        if (destination.IsContiguous)
        {
            UploadCore(source, destination.AsVector());
            return;
        }

        for (int row = 0; row < destination.Rows; row++)
        {
            UploadCore(source.Slice(row * destination.Columns, destination.Columns), destination.Row(row));
        }
    }

    /// <summary>Waits for the stream and copies a device vector to the host.</summary>
    public void Download<T>(VectorView<T> source, Span<T> destination)
        where T : unmanaged
    {
        Check.View(this, source, nameof(source));
        Check.Same(source.Length, destination.Length, "source length", "destination length");
        DownloadCore(source, destination);
    }

    /// <summary>Waits for the stream and copies a device matrix to contiguous row-major host memory.</summary>
    public void Download<T>(MatrixView<T> source, Span<T> destination)
        where T : unmanaged
    {
        Check.View(this, source, nameof(source));
        Check.Same(destination.Length, (long)source.Rows * source.Columns, "destination length", "elements of the source");
        if (source.IsContiguous)
        {
            DownloadCore(source.AsVector(), destination);
            return;
        }

        for (int row = 0; row < source.Rows; row++)
        {
            DownloadCore(source.Row(row), destination.Slice(row * source.Columns, source.Columns));
        }
    }

    /// <summary>Waits for the stream and returns one element.</summary>
    public T Read<T>(VectorView<T> source, int index = 0)
        where T : unmanaged
    {
        T value = default;
        Download(source.Slice(index, 1), new Span<T>(ref value));
        return value;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases the queue.</summary>
    protected abstract void Dispose(bool disposing);

    private protected abstract void UploadCore<T>(ReadOnlySpan<T> source, VectorView<T> destination)
        where T : unmanaged;

    private protected abstract void DownloadCore<T>(VectorView<T> source, Span<T> destination)
        where T : unmanaged;
}
