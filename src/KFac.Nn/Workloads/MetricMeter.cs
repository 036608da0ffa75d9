namespace KFac.Nn;

/// <summary>Gathers a workload's metrics over the batches of one part of its data.</summary>
public abstract class MetricMeter : IDisposable
{
    /// <summary>Forgets what was added.</summary>
    public abstract void Reset();

    /// <summary>Adds a batch that the network has seen forward, with its targets set; waits for the device.</summary>
    public abstract void Add(Network network, MiniBatch batch);

    /// <summary>Writes the figures for everything added, in the order of <see cref="Workload.Metrics"/>.</summary>
    public abstract void Read(Span<double> values);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives memory back.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}
