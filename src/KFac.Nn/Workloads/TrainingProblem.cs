using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A workload with its data at hand: what training needs of it, whatever kind of data that is.</summary>
public abstract class TrainingProblem
{
    /// <summary>Where the data comes from, for people.</summary>
    public abstract string DataName { get; }

    /// <summary>Most examples in a batch of an evaluation.</summary>
    public virtual int LargestEvaluationBatch => 1000;

    /// <summary>How many of the first training examples an evaluation measures when nothing else is asked for.</summary>
    public virtual int MostTrainExamplesEvaluated => 10_000;

    /// <summary>Number of examples; 0 for a part that the workload doesn't have.</summary>
    public abstract int CountOf(DataPart part);

    /// <summary>Lines that tell the data from other data; a checkpoint keeps them.</summary>
    public abstract IReadOnlyList<string> Describe();

    /// <summary>Builds the network with its initial weights.</summary>
    public abstract Network CreateNetwork(Device device, ulong seed);

    /// <summary>Memory for batches of up to <paramref name="capacity"/> examples.</summary>
    public abstract MiniBatch CreateBatch(DeviceStream stream, int capacity);

    /// <summary>What measures the workload's metrics.</summary>
    public abstract MetricMeter CreateMeter(DeviceStream stream);
}
