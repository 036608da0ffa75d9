using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One step of training: next batch, forward, backward, clipping, update. Allocates nothing once shapes have settled.</summary>
internal sealed class TrainingStep : IStateful, IDisposable
{
    /// <summary>Keeps the random numbers of forward passes apart from those of other uses of the same seed; the step is added.</summary>
    private const ulong ForwardSequences = 0x4652_0000_0000_0000;

    /// <summary>The same for changes of training examples.</summary>
    private const ulong BatchSequences = 0x4241_5443_0000_0000;

    private readonly ulong _seed;
    private readonly Network _network;
    private readonly IOptimizer _optimizer;
    private readonly BatchOrder _order;
    private readonly MiniBatch _batch;
    private readonly TrainingPass _pass;
    private readonly GradientClipping? _clipping;

    public TrainingStep(DeviceStream stream, TrainingOptions options, TrainingProblem problem, Network network, IOptimizer optimizer)
    {
        _seed = options.Seed;
        _network = network;
        _optimizer = optimizer;
        _order = new BatchOrder(problem.CountOf(DataPart.Train), options.Workload.BatchSize, options.Seed);
        _batch = problem.CreateBatch(stream, options.Workload.BatchSize);
        _pass = new TrainingPass(stream, network, _batch) { MayTakeRows = true };
        _clipping = options.GradientClip is double norm ? new GradientClipping(stream.Device, norm) : null;
    }

    public int StepsPerEpoch => _order.BatchesPerEpoch;

    /// <summary>How many forward and backward passes were replayed.</summary>
    public long Replays => _pass.Replays;

    /// <returns>The mean loss on the batch before the update.</returns>
    /// <exception cref="TrainingException">The loss is not finite; parameters are as the step before left them.</exception>
    public double Run(long step, double learningRate)
    {
        _batch.FillForTraining(_order.Next(), new PhiloxKey(_seed, BatchSequences + (ulong)step));
        _network.RandomKey = new PhiloxKey(_seed, ForwardSequences + (uint)step);
        ITrainingSink? sink = _optimizer.TrainingPassSink;
        _pass.Run(sink);
        double loss = _pass.ReadLoss();
        if (!double.IsFinite(loss))
        {
            throw new TrainingException(
                $"The training loss is {loss} at step {step}; the run diverged. Try a smaller learning rate or more damping.", step);
        }

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
        _pass.Dispose();
        _batch.Dispose();
    }
}
