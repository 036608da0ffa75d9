namespace KFac.Nn;

/// <summary>How well scores rank positive examples before negative ones, exactly, in float64; equal scores are no order.</summary>
/// <remarks>The definitions of scikit-learn and of OGB's evaluators.</remarks>
public static class RankingMetrics
{
    /// <summary>Σ over distinct scores, from the highest, of the precision at it times the recall gained.</summary>
    /// <param name="scores">Finite.</param>
    /// <param name="labels">1, 0, or NaN for an example that does not count; as many as scores.</param>
    /// <returns>NaN where there is no positive example.</returns>
    public static double AveragePrecision(ReadOnlySpan<float> scores, ReadOnlySpan<float> labels)
    {
        double sum = 0;
        var ranked = new Ranking(scores, labels);
        long above = 0;
        long positivesAbove = 0;
        while (ranked.NextTie(out int positives, out int negatives))
        {
            above += positives + negatives;
            positivesAbove += positives;
            sum += (double)positives * positivesAbove / above;
        }

        return sum / positivesAbove;
    }

    /// <summary>Share of pairs of a positive and a negative example that the scores order rightly; a tie counts half.</summary>
    /// <inheritdoc cref="AveragePrecision"/>
    /// <returns>NaN where there is no positive or no negative example.</returns>
    public static double RocAuc(ReadOnlySpan<float> scores, ReadOnlySpan<float> labels)
    {
        double right = 0;
        var ranked = new Ranking(scores, labels);
        long positivesAbove = 0;
        long negativesAbove = 0;
        while (ranked.NextTie(out int positives, out int negatives))
        {
            right += negatives * (positivesAbove + (0.5 * positives));
            positivesAbove += positives;
            negativesAbove += negatives;
        }

        return right / ((double)positivesAbove * negativesAbove);
    }

    /// <summary>Labelled examples from the highest score down, tie by tie.</summary>
    private ref struct Ranking
    {
        private readonly float[] _scores;
        private readonly float[] _labels;
        private int _next;

        public Ranking(ReadOnlySpan<float> scores, ReadOnlySpan<float> labels)
        {
            if (scores.Length != labels.Length)
            {
                throw new ArgumentException($"{scores.Length} scores were given for {labels.Length} labels; wanted as many.", nameof(scores));
            }

            int counted = 0;
            _scores = new float[scores.Length];
            _labels = new float[scores.Length];
            for (int i = 0; i < scores.Length; i++)
            {
                if (!float.IsNaN(labels[i]))
                {
                    (_scores[counted], _labels[counted++]) = (-scores[i], labels[i]);
                }
            }

            Array.Resize(ref _scores, counted);
            Array.Resize(ref _labels, counted);
            Array.Sort(_scores, _labels);
        }

        public bool NextTie(out int positives, out int negatives)
        {
            (positives, negatives) = (0, 0);
            for (int first = _next; _next < _scores.Length && _scores[_next] == _scores[first]; _next++)
            {
                positives += _labels[_next] > 0 ? 1 : 0;
                negatives += _labels[_next] > 0 ? 0 : 1;
            }

            return positives + negatives > 0;
        }
    }
}
