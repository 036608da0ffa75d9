using Xunit;

namespace KFac.Engine.Tests;

public class FactorDampingTests
{
    [Fact]
    public void Factored_damping_follows_the_mean_eigenvalues()
    {
        FactorDamping damping = FactorDamping.Split(DampingStyle.FactoredPi, 0.01, meanA: 9, meanB: 4);

        Assert.Equal(1.5 * 0.1, damping.A, 1e-15);
        Assert.Equal(0.1 / 1.5, damping.B, 1e-15);
    }

    [Theory]
    [InlineData(0, 4)]
    [InlineData(9, 0)]
    [InlineData(0, 0)]
    [InlineData(-1, 4)]
    [InlineData(9, double.PositiveInfinity)]
    [InlineData(double.NaN, 4)]
    public void Pi_is_one_where_a_trace_is_zero_or_unusable(double meanA, double meanB)
    {
        Assert.Equal(1, FactorDamping.Pi(meanA, meanB));
        Assert.Equal(new FactorDamping(0.1, 0.1), FactorDamping.Split(DampingStyle.FactoredPi, 0.1 * 0.1, meanA, meanB));
    }

    [Fact]
    public void Other_styles_ignore_the_traces()
    {
        Assert.Equal(new FactorDamping(0.3, 0.3), FactorDamping.Split(DampingStyle.PerFactor, 0.3, 9, 4));
        Assert.Equal(new FactorDamping(0.3, 0), FactorDamping.Split(DampingStyle.InputOnly, 0.3, 9, 4));
        Assert.Throws<ArgumentException>(() => FactorDamping.Split(DampingStyle.Product, 0.3, 9, 4));
    }

    [Theory]
    [InlineData(-1e-9)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Negative_and_non_finite_damping_is_refused(double damping)
    {
        Exception exception = Assert.Throws<ArgumentException>(() => FactorDamping.Split(DampingStyle.PerFactor, damping, 1, 1));
        Assert.Contains("wanted a finite number, at least 0", exception.Message, StringComparison.Ordinal);
    }
}
