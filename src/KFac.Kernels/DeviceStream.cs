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

    /// <summary>Whether recorded work costs less than the same work given again: a GPU launches it at once (where
    /// <see cref="DeviceOptions.Graphs"/> are on), a processor gains nothing.</summary>
    public virtual bool GainsByReplay => false;

    /// <summary>Waits for all work given so far.</summary>
    public abstract void Synchronize();

    /// <summary>Gives work and measures what the device spends on it: from where the stream stands now to the end of the work. Waits
    /// for it.</summary>
    /// <param name="work">Gives work to this stream.</param>
    /// <returns>Seconds by the device's own clock, where it has one; the wall clock's on the CPU.</returns>
    public abstract double Time(Action work);

    /// <summary>Records what <paramref name="work"/> gives to this stream, without running it.</summary>
    /// <remarks>A recording keeps the memory addresses and numbers that the work used; the memory must still be held when it is
    /// replayed. The work must not copy from or to the host, nor wait. Operations need memory of their own when they first
    /// meet a shape, so run the work once before.</remarks>
    /// <param name="previous">A recording of the same operations on the same shapes that gets the new addresses and numbers,
    /// which is cheaper than a new one; it must not be used afterwards.</param>
    /// <exception cref="InvalidOperationException">The work copied from or to the host, or waited. Nothing was recorded.</exception>
    public abstract RecordedWork Record(Action work, RecordedWork? previous = null);

    /// <summary>Runs recorded work, in its place among the work given to this stream.</summary>
    /// <exception cref="ArgumentException">It was recorded on another stream.</exception>
    public void Replay(RecordedWork work)
    {
        ArgumentNullException.ThrowIfNull(work);
        ObjectDisposedException.ThrowIf(Device.IsDisposed, Device);
        if (!ReferenceEquals(work.Stream, this))
        {
            throw new ArgumentException("The work was recorded on another stream.", nameof(work));
        }

        ReplayCore(work);
    }

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

    private protected abstract void ReplayCore(RecordedWork work);

    private protected abstract void UploadCore<T>(ReadOnlySpan<T> source, VectorView<T> destination)
        where T : unmanaged;

    private protected abstract void DownloadCore<T>(VectorView<T> source, Span<T> destination)
        where T : unmanaged;
}
