namespace KFac.Kernels;

/// <summary>Work that a stream has recorded (<see cref="DeviceStream.Record"/>) and can run again at the cost of one call.</summary>
public abstract class RecordedWork : IDisposable
{
    private protected RecordedWork(DeviceStream stream) => Stream = stream;

    /// <summary>Where it was recorded, and may be replayed.</summary>
    public DeviceStream Stream { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases the recording.</summary>
    protected abstract void Dispose(bool disposing);
}
