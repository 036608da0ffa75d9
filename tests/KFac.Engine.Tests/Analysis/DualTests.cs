using KFac.Reference;
using Xunit;

namespace KFac.Engine.Tests;

public class DualTests
{
    public static TheoryData<string, double> Points()
    {
        var points = new TheoryData<string, double>();
        foreach (string name in Functions.Keys)
        {
            foreach (double x in new[] { -8.5, -3.1, -0.4, 0.3, 1.7, 6.2 })
            {
                points.Add(name, x);
            }
        }

        return points;
    }

    private static readonly Dictionary<string, Func<Dual, Dual>> Functions = new()
    {
        ["exp"] = Dual.Exp,
        ["relu"] = Dual.Relu,
        ["tanh"] = Dual.Tanh,
        ["sigmoid"] = Dual.Sigmoid,
        ["gelu"] = Dual.Gelu,
        ["product"] = x => x * (x + 2) * x,
        ["quotient"] = x => (1 - x) / (x * x + 1),
    };

    [Theory]
    [MemberData(nameof(Points))]
    public void Tangent_is_the_derivative(string name, double x)
    {
        Func<Dual, Dual> function = Functions[name];
        double expected = NumericalJacobian.Of(at => [function(at[0]).Value], [x])[0];
        double actual = function(new Dual(x, 1)).Tangent;
        Assert.True(Math.Abs(actual - expected) <= 1e-9 * Math.Max(1, Math.Abs(expected)), $"{actual} against {expected}");
    }

    [Fact]
    public void Tangent_scales_with_the_direction() =>
        Assert.Equal(-3 * Dual.Gelu(new Dual(0.7, 1)).Tangent, Dual.Gelu(new Dual(0.7, -3)).Tangent, 1e-15);

    [Theory]
    [InlineData(0, 0.0)]
    [InlineData(1, 0.8413447460685429)]
    [InlineData(-1, -0.15865525393145707)]
    [InlineData(3, 2.9959503059051097)]
    [InlineData(20, 20)]
    [InlineData(-20, 0)]
    public void Gelu_is_x_times_the_normal_distribution(double x, double expected) =>
        Assert.Equal(expected, Dual.Gelu(x).Value, 1e-14);

    [Fact]
    public void NaN_stays_NaN()
    {
        Assert.All(Functions.Values, function => Assert.True(double.IsNaN(function(double.NaN).Value)));
    }
}
