using Xunit;

namespace KFac.Engine.Tests;

public class CurvatureIntervalsTests
{
    [Fact]
    public void The_first_step_does_both_and_the_rest_follow_their_intervals()
    {
        var intervals = new CurvatureIntervals(Factor: 3, Inverse: 4, UpdatesBeforeInversion: null);

        Assert.Equal([0L, 3, 6, 9], Where(intervals.UpdatesFactors, 12));
        Assert.Equal([0L, 4, 8], Where(intervals.UpdatesInverses, 12));
    }

    [Fact]
    public void Updates_before_inversion_end_with_the_inversion()
    {
        var intervals = new CurvatureIntervals(Factor: 1, Inverse: 5, UpdatesBeforeInversion: 2);

        Assert.Equal([0L, 4, 5, 9, 10, 14], Where(intervals.UpdatesFactors, 15));
        Assert.Equal([0L, 5, 10], Where(intervals.UpdatesInverses, 15));
    }

    [Fact]
    public void As_many_updates_as_steps_between_inversions_are_every_step() =>
        Assert.Equal(12, Where(new CurvatureIntervals(1, 4, 4).UpdatesFactors, 12).Length);

    private static long[] Where(Func<long, bool> predicate, int steps) =>
        [.. Enumerable.Range(0, steps).Select(step => (long)step).Where(predicate)];
}
