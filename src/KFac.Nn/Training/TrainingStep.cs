using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One step of training: next batch, forward, backward, clipping, update. Allocates nothing once shapes have settled.</summary>
internal sealed class TrainingStep : IStateful, IDisposable
{
    /// <summary>Keeps the random numbers of forward passes apart from those of other uses of the same seed; the step is added.</summary>
    private const ulong ForwardSequences = 0x4652_0000_0000_0000;

    private readonly ulong _seed;
    private readonly WorkloadTask _task;
    private readonly ImageSet _images;
    private readonly Network _network;
    private readonly IOptimizer _optimizer;
    private readonly BatchOrder _order;
    private readonly ImageBatch _batch;
    private readonly TensorShape _shape;
    private readonly GradientClipping? _clipping;

    public TrainingStep(DeviceStream stream, TrainingOptions options, ImageData data, Network network, IOptimizer optimizer)
    {
        _seed = options.Seed;
        _task = options.Workload.Task;
        _images = data.Train;
        _network = network;
        _optimizer = optimizer;
        _order = new BatchOrder(_images.Count, options.Workload.BatchSize, options.Seed);
        _batch = new ImageBatch(stream, options.Workload.BatchSize, _images.PixelCount);
        _shape = TensorShape.Of(options.Workload.BatchSize, _images.PixelCount);
        _clipping = options.GradientClip is double norm ? new GradientClipping(stream.Device, norm) : null;
    }

    public int StepsPerEpoch => _order.BatchesPerEpoch;

    /// <summary>What the task compares the outputs for a batch with: its labels, or its pixels.</summary>
    public static Targets TargetsOf(WorkloadTask task, ImageBatch batch) =>
        task == WorkloadTask.Classification ? Targets.Of(batch.Labels) : Targets.Of(batch.Inputs);

    /// <returns>The mean loss on the batch before the update.</returns>
    /// <exception cref="TrainingException">The loss is not finite; parameters are as the step before left them.</exception>
    public double Run(long step, double learningRate)
    {
        _batch.Fill(_images, _order.Next());
        _network.RandomKey = new PhiloxKey(_seed, ForwardSequences + (uint)step);
        _network.Forward(_batch.Inputs, _shape);
        _network.SetTargets(TargetsOf(_task, _batch));
        double loss = _network.MeanLoss();
        if (!double.IsFinite(loss))
        {
            throw new TrainingException(
                $"The training loss is {loss} at step {step}; the run diverged. Try a smaller learning rate or more damping.", step);
        }

        ITrainingSink? sink = _optimizer.TrainingPassSink;
        _network.Backward(sink);
        _clipping?.Apply(_network.Parameters, sink);
        _optimizer.Step(_network, _network.Parameters, learningRate);
        return loss;
    }

    public void VisitState(IStateVisitor visitor)
    {
        _network.VisitState(visitor);
        _optimizer.VisitState(visitor);
        _order.VisitState(visitor);
    }

    public void Dispose()
    {
        _clipping?.Dispose();
        _batch.Dispose();
    }
}
