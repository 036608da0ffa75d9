using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Measures a network on whole parts of a workload's data, batch by batch.</summary>
internal sealed class Evaluator : IDisposable
{
    private readonly Network _network;
    private readonly Workload _workload;
    private readonly TrainingProblem _problem;
    private readonly int _trainCount;
    private readonly MiniBatch _batch;
    private readonly MetricMeter _meter;

    /// <param name="trainCount">How many of the first training examples are measured.</param>
    public Evaluator(DeviceStream stream, Network network, Workload workload, TrainingProblem problem, int trainCount)
    {
        _network = network;
        _workload = workload;
        _problem = problem;
        _trainCount = trainCount;
        _batch = problem.CreateBatch(stream, Math.Min(problem.LargestEvaluationBatch, workload.Parts.Max(CountOf)));
        _meter = problem.CreateMeter(stream);
    }

    public Metrics Measure()
    {
        IReadOnlyList<string> names = _workload.MetricNames;
        var values = new double[names.Count];
        int perPart = _workload.Metrics.Count;
        _network.Training = false;
        for (int i = 0; i < _workload.Parts.Count; i++)
        {
            Measure(_workload.Parts[i], values.AsSpan(i * perPart, perPart));
        }

        _network.Training = true;
        return new Metrics(names, values);
    }

    public void Dispose()
    {
        _meter.Dispose();
        _batch.Dispose();
    }

    private int CountOf(DataPart part) => part == DataPart.Train ? _trainCount : _problem.CountOf(part);

    private void Measure(DataPart part, Span<double> values)
    {
        int count = CountOf(part);
        int most = Math.Min(_problem.LargestEvaluationBatch, count);
        _meter.Reset();
        for (int start = 0; start < count; start += most)
        {
            _batch.Fill(part, start, Math.Min(most, count - start));
            _batch.Forward(_network);
            _network.SetTargets(_batch.Targets);
            _meter.Add(_network, _batch);
        }

        _meter.Read(values);
    }
}
