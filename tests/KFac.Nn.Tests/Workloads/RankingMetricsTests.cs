using Xunit;

namespace KFac.Nn.Tests;

public class RankingMetricsTests
{
    /// <summary>Worked by hand: each distinct score adds its share of the positives times the precision down to it.</summary>
    [Theory]
    [InlineData(new[] { 0.9f, 0.8f, 0.7f, 0.6f }, new[] { 1f, 0, 1, 0 }, (0.5 * 1) + (0.5 * 2 / 3), 3.0 / 4)]
    [InlineData(new[] { 0.6f, 0.9f, 0.7f, 0.8f }, new[] { 0f, 1, 1, 0 }, (0.5 * 1) + (0.5 * 2 / 3), 3.0 / 4)]
    [InlineData(new[] { 1f, 1, 1, 1 }, new[] { 1f, 0, 0, 1 }, 0.5, 0.5)]
    [InlineData(new[] { 3f, 2, 2, 1 }, new[] { 0f, 1, 0, 1 }, (0.5 / 3) + (0.5 * 2 / 4), 0.5 / 4)]
    [InlineData(new[] { 3f, 2, 2, 1 }, new[] { 1f, 1, 1, 0 }, 1, 1)]
    [InlineData(new[] { -1f, -2, -3 }, new[] { 0f, 0, 1 }, 1.0 / 3, 0)]
    [InlineData(new[] { 3f, 9, 2, 8, 1 }, new[] { 1f, float.NaN, 0, float.NaN, 1 }, (0.5 * 1) + (0.5 * 2 / 3), 0.5)]
    public void Agree_with_hand_worked_values(float[] scores, float[] labels, double precision, double area)
    {
        Assert.Equal(precision, RankingMetrics.AveragePrecision(scores, labels), 1e-15);
        Assert.Equal(area, RankingMetrics.RocAuc(scores, labels), 1e-15);
    }

    [Fact]
    public void Area_is_the_share_of_pairs_in_the_right_order()
    {
        float[] scores = [.. Enumerable.Range(0, 200).Select(static i => (float)(i * 7919 % 31))];
        float[] labels = [.. Enumerable.Range(0, 200).Select(static i => i * 104729 % 13 < 4 ? 1f : 0f)];
        double right = 0;
        double pairs = 0;
        for (int i = 0; i < 200; i++)
        {
            for (int j = 0; j < 200; j++)
            {
                if (labels[i] > labels[j])
                {
                    pairs++;
                    right += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
                }
            }
        }

        Assert.Equal(right / pairs, RankingMetrics.RocAuc(scores, labels), 1e-12);
    }

    [Fact]
    public void Without_positives_there_is_nothing_to_rank()
    {
        Assert.Equal(double.NaN, RankingMetrics.AveragePrecision([1, 2], [0, float.NaN]));
        Assert.Equal(double.NaN, RankingMetrics.RocAuc([1, 2], [0, 0]));
        Assert.Equal(double.NaN, RankingMetrics.RocAuc([1, 2], [1, 1]));
        Assert.Throws<ArgumentException>(() => RankingMetrics.RocAuc([1, 2], [1]));
    }
}
