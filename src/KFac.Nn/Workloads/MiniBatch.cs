using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Some examples of a workload's data on the device, in memory that is filled again and again.</summary>
public abstract class MiniBatch : IDisposable
{
    /// <summary>Examples in it.</summary>
    public abstract int Count { get; }

    /// <summary>Whether <see cref="Forward"/> and <see cref="Targets"/> depend on <see cref="Count"/> alone but for the contents of
    /// the batch's memory, so that what they give a device to do may be recorded and replayed.</summary>
    public virtual bool IsRepeatable => false;

    /// <summary>What the network's outputs are compared with.</summary>
    public abstract Targets Targets { get; }

    /// <summary>Fills it with training examples.</summary>
    /// <param name="examples">Indices into <see cref="DataPart.Train"/>; their number is at most the capacity.</param>
    /// <param name="key">Of the step: random numbers for augmentation.</param>
    public abstract void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key);

    /// <summary>Fills it with consecutive examples of a part, as they are.</summary>
    public abstract void Fill(DataPart part, int start, int count);

    /// <summary>Runs the network on the examples.</summary>
    public abstract Variable Forward(Network network);

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
