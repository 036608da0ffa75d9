using System.Globalization;
using System.Text.Json.Nodes;
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>Training steps of a workload on one mini-batch: SGD with momentum, or K-FAC with one Monte-Carlo sample.</summary>
/// <remarks>A step is forward, backward and update, without reading the loss. K-FAC refreshes factors and inverses every
/// <c>interval</c> steps; that many make one run, so that the time of a step is the mean over a whole cycle.</remarks>
internal sealed class StepCase : BenchCase
{
    private const double LearningRate = 1e-6;

    private readonly Workload _workload;
    private readonly TrainingProblem _problem;
    private readonly int _interval;
    private readonly SharingApproximation? _approximation;
    private readonly Network _network;
    private readonly IOptimizer _optimizer;
    private readonly MiniBatch _batch;
    private readonly TrainingPass _pass;

    /// <param name="interval">Steps from one update of factors and inverses to the next; 0 for SGD.</param>
    /// <param name="approximation">Expand or reduce; null for layers without weight sharing, where they are the same, and for SGD.</param>
    public StepCase(
        Device device, Workload workload, TrainingProblem problem, int interval, SharingApproximation? approximation, ulong seed)
    {
        _workload = workload;
        _problem = problem;
        _interval = interval;
        _approximation = approximation;
        _network = problem.CreateNetwork(device, seed);
        _optimizer = interval == 0
            ? new SgdOptimizer(device, _network.Parameters, new SgdOptions())
            : new KfacOptimizer(device, _network, _network.Parameters, Options(interval, approximation, seed));
        _batch = problem.CreateBatch(device.DefaultStream, workload.BatchSize);
        _batch.Fill(DataPart.Train, 0, workload.BatchSize);
        _pass = new TrainingPass(device.DefaultStream, _network, _batch);
    }

    public override string Operation => _interval == 0 ? "step sgd" : string.Create(CultureInfo.InvariantCulture, $"step kfac every {_interval}");

    public override string Shape => string.Create(CultureInfo.InvariantCulture, $"{_workload.Name},{_workload.BatchSize}");

    public override string? Approximation => _approximation switch
    {
        SharingApproximation.Expand => "expand",
        SharingApproximation.Reduce => "reduce",
        _ => null,
    };

    public override int UnitsPerRun => Math.Max(1, _interval);

    public override JsonObject? PeerRequest => StepPeer.Describe(_workload, _problem, _interval);

    public override void Run()
    {
        for (int step = 0; step < UnitsPerRun; step++)
        {
            _pass.Run(_optimizer.TrainingPassSink);
            _optimizer.Step(_network, _network.Parameters, LearningRate);
        }
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

    private static KfacOptions Options(int interval, SharingApproximation? approximation, ulong seed) => new()
    {
        Kind = CurvatureKind.MonteCarlo,
        Approximation = approximation,
        Style = DampingStyle.FactoredPi,
        MovingAverage = 0.95,
        FactorInterval = interval,
        InverseInterval = interval,
        Damping = 1e-2,
        KlClip = null,
        Seed = seed,
    };
}
