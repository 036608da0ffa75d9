using Xunit;

namespace KFac.Engine.Tests;

public class LearningRateScheduleTests
{
    [Fact]
    public void Constant_is_constant()
    {
        var schedule = new ConstantSchedule(0.3);
        Assert.Equal(0.3, schedule.At(0));
        Assert.Equal(0.3, schedule.At(long.MaxValue));
    }

    [Fact]
    public void Warm_up_rises_linearly_to_the_peak_and_the_final_rate_stays()
    {
        LearningRateSchedule[] schedules =
        [
            new WarmupCosineSchedule(2, 4, 10, 0.5),
            new WarmupLinearSchedule(2, 4, 10, 0.5),
            new WarmupPolynomialSchedule(2, 4, 10, 3, 0.5),
        ];
        foreach (LearningRateSchedule schedule in schedules)
        {
            schedule.Validate();
            Assert.Equal([0.5, 1, 1.5, 2, 2], Enumerable.Range(0, 5).Select(step => schedule.At(step)));
            Assert.Equal(0.5, schedule.At(10), 1e-15);
            Assert.Equal(0.5, schedule.At(1000), 1e-15);
        }
    }

    [Fact]
    public void Decays_have_their_form_half_way()
    {
        Assert.Equal(1.25, new WarmupCosineSchedule(2, 4, 10, 0.5).At(7), 1e-15);
        Assert.Equal(2 * 0.5 * (1 + Math.Cos(Math.PI / 6)), new WarmupCosineSchedule(2, 4, 10).At(5), 1e-15);
        Assert.Equal(1.25, new WarmupLinearSchedule(2, 4, 10, 0.5).At(7), 1e-15);
        Assert.Equal(0.5 + (1.5 / 8), new WarmupPolynomialSchedule(2, 4, 10, 3, 0.5).At(7), 1e-15);
    }

    [Fact]
    public void Without_warm_up_the_first_step_has_the_peak() =>
        Assert.Equal(2, new WarmupCosineSchedule(2, 0, 10).At(0));

    [Fact]
    public void Values_out_of_range_are_refused()
    {
        (LearningRateSchedule Schedule, string Message)[] cases =
        [
            (new ConstantSchedule(-1), "Rate is -1; wanted a finite number, at least 0"),
            (new WarmupCosineSchedule(double.NaN, 1, 2), "Peak is NaN"),
            (new WarmupCosineSchedule(1, -1, 2), "WarmupSteps is -1; wanted at least 0"),
            (new WarmupLinearSchedule(1, 5, 5), "TotalSteps is 5; wanted at least 6"),
            (new WarmupLinearSchedule(1, 1, 5, -1), "Final is -1"),
            (new WarmupPolynomialSchedule(1, 1, 5, 0), "Power is 0; wanted a finite number above 0"),
        ];
        foreach ((LearningRateSchedule schedule, string message) in cases)
        {
            Exception exception = Assert.Throws<ArgumentException>(schedule.Validate);
            Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        }
    }
}
