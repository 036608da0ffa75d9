using Xunit;

namespace KFac.Nn.Tests;

public sealed class TrainingTargetTests
{
    private static readonly Metrics _metrics = new(PerceptronWorkload.MnistMlp.MetricNames, [0.5, 0.9, 0.6, 0.8]);

    [Theory]
    [InlineData("trainLoss=0.5", true)]
    [InlineData("trainLoss=0.49", false)]
    [InlineData("validationLoss=1e0", true)]
    [InlineData("trainAccuracy=0.9", true)]
    [InlineData("validationAccuracy=0.81", false)]
    public void Losses_go_down_and_accuracies_up(string text, bool reached) =>
        Assert.Equal(reached, TrainingTarget.Parse(text).IsReached(_metrics));

    [Theory]
    [InlineData("")]
    [InlineData("trainLoss")]
    [InlineData("trainLoss=")]
    [InlineData("trainLoss=x")]
    [InlineData("trainLoss=NaN")]
    [InlineData("trainLoss=1=2")]
    public void Refuses_what_is_not_metric_equals_value(string text) => Assert.Contains(
        $"The target is '{text}'; wanted METRIC=VALUE", Assert.Throws<ArgumentException>(() => TrainingTarget.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Refuses_a_metric_that_does_not_apply() =>
        Assert.Throws<ArgumentException>(() => new TrainingTarget("trainSquaredError", 1).IsReached(_metrics));
}
