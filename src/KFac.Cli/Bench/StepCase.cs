using System.Globalization;
using System.Text.Json.Nodes;
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>Training steps of a workload on one mini-batch: SGD with momentum, or K-FAC with one Monte-Carlo sample.</summary>
/// <remarks>A step is forward, backward and update, without reading the loss. K-FAC refreshes factors and inverses every
/// <c>interval</c> steps; that many make one run, so that the time of a step is the mean over a whole cycle. Without a moving average factors
/// of few rows are inverted through the small system of their rows.</remarks>
internal sealed class StepCase : BenchCase
{
    private const double LearningRate = 1e-6;

    private readonly Workload _workload;
    private readonly TrainingProblem _problem;
    private readonly StepVariant _variant;
    private readonly Network _network;
    private readonly IOptimizer _optimizer;
    private readonly MiniBatch _batch;
    private readonly TrainingPass _pass;
    private readonly StepClock? _clock;

    /// <param name="phases">Whether the parts of a step are timed one by one.</param>
    public StepCase(Device device, Workload workload, TrainingProblem problem, StepVariant variant, ulong seed, bool phases)
    {
        _workload = workload;
        _problem = problem;
        _variant = variant;
        _clock = phases ? new StepClock(device.DefaultStream) : null;
        _network = problem.CreateNetwork(device, seed);
        _optimizer = variant.Interval == 0
            ? new SgdOptimizer(device, _network.Parameters, new SgdOptions())
            : new KfacOptimizer(device, _network, _network.Parameters, variant.Options(seed) with { Clock = _clock });
        _batch = problem.CreateBatch(device.DefaultStream, workload.BatchSize);
        _batch.Fill(DataPart.Train, 0, workload.BatchSize);
        _pass = new TrainingPass(device.DefaultStream, _network, _batch) { Clock = _clock, MayTakeRows = true };
    }

    public override string Operation => _variant.Name;

    public override string Shape => string.Create(CultureInfo.InvariantCulture, $"{_workload.Name},{_workload.BatchSize}");

    public override string? Approximation => _variant.Approximation switch
    {
        SharingApproximation.Expand => "expand",
        SharingApproximation.Reduce => "reduce",
        _ => null,
    };

    public override int UnitsPerRun => Math.Max(1, _variant.Interval);

    public override JsonObject? PeerRequest => _variant.HasPeer ? StepPeer.Describe(_workload, _problem, _variant.Interval) : null;

    public override IReadOnlyList<PhaseMeasurement>? Phases => _clock?.Medians(UnitsPerRun);

    public override void Run()
    {
        _clock?.Start();
        for (int step = 0; step < UnitsPerRun; step++)
        {
            _pass.Run(_optimizer.TrainingPassSink);
            BeginUpdateOfSgd();
            _optimizer.Step(_network, _network.Parameters, LearningRate);
        }

        _clock?.Stop();
    }

    public override void Check()
    {
        if (_optimizer.Events is [NumericalEventCount first, ..])
        {
            throw new ArithmeticException($"{Operation} of {Shape}: {first.Kind} in {first.Layer}, so the time is not of the usual work.");
        }
    }

    public override void Dispose()
    {
        _pass.Dispose();
        _batch.Dispose();
        _optimizer.Dispose();
        _network.Dispose();
    }

    /// <summary>A step of SGD is nothing but an update; K-FAC's knows its parts.</summary>
    private void BeginUpdateOfSgd()
    {
        if (_variant.Interval == 0)
        {
            _clock?.Begin(StepPhase.Update);
        }
    }
}
