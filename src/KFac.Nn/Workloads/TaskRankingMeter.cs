using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Mean loss per graph, and average precision and ROC-AUC averaged over the tasks that have positive and negative labels.</summary>
/// <remarks>As OGB's evaluators do it: each task is ranked over its labelled graphs alone, and a task without a positive or without
/// a negative label is left out. Where every task is, both figures are 0.</remarks>
internal sealed class TaskRankingMeter(DeviceStream stream, int tasks) : MetricMeter
{
    private readonly List<float> _scores = [];
    private readonly List<float> _labels = [];
    private double _loss;

    /// <inheritdoc/>
    public override void Reset()
    {
        _loss = 0;
        _scores.Clear();
        _labels.Clear();
    }

    /// <inheritdoc/>
    public override void Add(Network network, MiniBatch batch)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(batch);
        _loss += network.MeanLoss() * network.LossTerms;
        Append(network.Output.Value, _scores);
        Append(batch.Targets.Values, _labels);
    }

    /// <inheritdoc/>
    public override void Read(Span<double> values)
    {
        int graphs = _labels.Count / tasks;
        values[0] = _loss / graphs;
        double precision = 0;
        double area = 0;
        int counted = 0;
        var scores = new float[graphs];
        var labels = new float[graphs];
        for (int task = 0; task < tasks; task++)
        {
            for (int graph = 0; graph < graphs; graph++)
            {
                scores[graph] = _scores[(graph * tasks) + task];
                labels[graph] = _labels[(graph * tasks) + task];
            }

            if (labels.Contains(1f) && labels.Contains(0f))
            {
                precision += RankingMetrics.AveragePrecision(scores, labels);
                area += RankingMetrics.RocAuc(scores, labels);
                counted++;
            }
        }

        values[1] = precision / Math.Max(1, counted);
        values[2] = area / Math.Max(1, counted);
    }

    private void Append(MatrixView<float> matrix, List<float> values)
    {
        var host = new float[matrix.Rows * matrix.Columns];
        stream.Download(matrix, host);
        values.AddRange(host);
    }
}
