using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class ExactnessTests
{
    public static TheoryData<string> Names { get; } = new(ExactnessCases.All.Select(each => each.Name));

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_layer_is_as_theory_says(string name)
    {
        using Device device = TestDevice.OpenDefault();
        for (ulong seed = 0; seed < 3; seed++)
        {
            using var experiment = new ExactnessExperiment(device, ExactnessCases.Named(name), seed);
            IReadOnlyList<ExactnessRow> rows = experiment.Compare();
            Assert.Equal(experiment.Layers.Select(layer => layer.Name), rows.Select(row => row.Layer));
            Assert.All(rows, row => Assert.True(row.ExpandPassed && row.ReducePassed, $"seed {seed}: {row}"));
        }
    }

    [Theory]
    [MemberData(nameof(TestDevice.Cpu), MemberType = typeof(TestDevice))]
    public void Every_kind_of_kernel_is_as_exact(string key)
    {
        using Device device = TestDevice.Open(key);
        foreach (string name in new[] { "deep-linear-reduce-mean-bias", "attention-expand", "mlp-gelu", "deep-linear-ragged-expand" })
        {
            using var experiment = new ExactnessExperiment(device, ExactnessCases.Named(name), 7);
            Assert.All(experiment.Compare(), row => Assert.True(row.ExpandPassed && row.ReducePassed, row.ToString()));
        }
    }

    [Fact]
    public void A_planted_error_of_a_ten_thousandth_is_noticed()
    {
        using Device device = TestDevice.OpenDefault();
        using var experiment = new ExactnessExperiment(device, ExactnessCases.Named("linear-expand"), 0);
        HostMatrix exact = experiment.ExactGgn(0);
        (HostMatrix a, HostMatrix b) = experiment.Factors(SharingApproximation.Expand)[0];
        Assert.True(HostMatrix.Kronecker(a, b).RelativeError(exact) <= ExactnessCase.MaximumExactError);
        b[0, 0] *= 1 + 1e-4;
        Assert.True(HostMatrix.Kronecker(a, b).RelativeError(exact) > ExactnessCase.MaximumExactError);
    }

    [Fact]
    public void Rows_fail_when_an_error_is_on_the_wrong_side_or_no_number()
    {
        var row = new ExactnessRow("case", ExactnessSetting.Expand, "layer", 1e-5, 0.1, ExactApproximations.Expand, 0.1);
        Assert.True(row.ExpandPassed && row.ReducePassed);
        Assert.False((row with { ExpandError = 1.1e-5 }).ExpandPassed);
        Assert.False((row with { ReduceError = 0.09 }).ReducePassed);
        Assert.False((row with { ExpandError = double.NaN }).ExpandPassed);
        Assert.False((row with { ReduceError = double.NaN }).ReducePassed);
    }

    [Fact]
    public void The_same_seed_gives_the_same_rows_and_another_gives_others()
    {
        using Device device = TestDevice.OpenDefault();
        Assert.Equal(Rows(device, 3), Rows(device, 3));
        Assert.NotEqual(Rows(device, 3), Rows(device, 4));
    }

    [Fact]
    public void Names_are_unique_and_an_unknown_one_is_refused()
    {
        Assert.Equal(ExactnessCases.All.Count, ExactnessCases.All.Select(each => each.Name).Distinct().Count());
        ArgumentException error = Assert.Throws<ArgumentException>(() => ExactnessCases.Named("nope"));
        Assert.Contains("deep-linear-expand", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancellation_is_honoured()
    {
        using Device device = TestDevice.OpenDefault();
        using var experiment = new ExactnessExperiment(device, ExactnessCases.All[0], 0);
        Assert.Throws<OperationCanceledException>(() => experiment.Compare(new CancellationToken(canceled: true)));
    }

    private static IReadOnlyList<ExactnessRow> Rows(Device device, ulong seed)
    {
        using var experiment = new ExactnessExperiment(device, ExactnessCases.Named("attention-reduce"), seed);
        return experiment.Compare();
    }
}
