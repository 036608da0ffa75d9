using Xunit;

namespace KFac.Engine.Tests;

public class OptionsTests
{
    [Fact]
    public void Defaults_are_valid()
    {
        new KfacOptions().Validate();
        new KfacOptions { Kind = CurvatureKind.ForwardOnly }.Validate();
        new SgdOptions().Validate();
        new AdamOptions().Validate();
        new InverseOptions().Validate();
        new WeightAverageOptions().Validate();
    }

    [Fact]
    public void Values_out_of_range_are_refused_with_what_is_wanted()
    {
        (Action Validate, string Message)[] cases =
        [
            (new KfacOptions { Damping = -1 }.Validate, "Damping is -1; wanted a finite number, at least 0"),
            (new KfacOptions { Samples = 0 }.Validate, "Samples is 0; wanted at least 1"),
            (new KfacOptions { MovingAverage = 1 }.Validate, "MovingAverage is 1; wanted at least 0 and less than 1"),
            (new KfacOptions { FactorInterval = 0 }.Validate, "FactorInterval is 0; wanted at least 1"),
            (new KfacOptions { InverseInterval = 0 }.Validate, "InverseInterval is 0; wanted at least 1"),
            (new KfacOptions { InverseInterval = 4, UpdatesBeforeInversion = 5 }.Validate, "UpdatesBeforeInversion is 5; wanted 1 to InverseInterval, which is 4"),
            (new KfacOptions { InverseInterval = 4, UpdatesBeforeInversion = 2, FactorInterval = 2 }.Validate, "wanted only one of them set"),
            (new KfacOptions { Momentum = 1.5 }.Validate, "Momentum is 1.5"),
            (new KfacOptions { WeightDecay = double.NaN }.Validate, "WeightDecay is NaN"),
            (new KfacOptions { KlClip = 0 }.Validate, "KlClip is 0; wanted a finite number above 0"),
            (new KfacOptions { Kind = (CurvatureKind)9 }.Validate, "Kind is 9; wanted one of Exact, MonteCarlo, Empirical, ForwardOnly"),
            (new KfacOptions { Kind = CurvatureKind.ForwardOnly, Style = DampingStyle.Product }.Validate, "wanted InputOnly exactly with ForwardOnly"),
            (new KfacOptions { Style = DampingStyle.InputOnly }.Validate, "wanted InputOnly exactly with ForwardOnly"),
            (new KfacOptions { Approximation = (SharingApproximation)2 }.Validate, "Approximation is 2"),
            (new KfacOptions { OtherParameters = new() { Rule = (OtherParameterRule)2 } }.Validate, "OtherParameters.Rule is 2; wanted one of FirstOrder, Diagonal"),
            (new KfacOptions { OtherParameters = new() { Rate = 0 } }.Validate, "OtherParameters.Rate is 0; wanted a finite number above 0"),
            (new KfacOptions { OtherParameters = new() { SecondMomentDecay = 1 } }.Validate, "OtherParameters.SecondMomentDecay is 1"),
            (new KfacOptions { OtherParameters = new() { Epsilon = -1 } }.Validate, "OtherParameters.Epsilon is -1"),
            (new SgdOptions { Momentum = -0.1 }.Validate, "Momentum is -0.1"),
            (new SgdOptions { WeightDecay = -1 }.Validate, "WeightDecay is -1"),
            (new AdamOptions { Beta1 = 1 }.Validate, "Beta1 is 1"),
            (new AdamOptions { Beta2 = double.NaN }.Validate, "Beta2 is NaN"),
            (new AdamOptions { Epsilon = 0 }.Validate, "Epsilon is 0"),
            (new InverseOptions { DampingIncreases = -1 }.Validate, "DampingIncreases is -1"),
            (new WeightAverageOptions { Decay = 1 }.Validate, "Decay is 1"),
            (new WeightAverageOptions { FirstStep = -1 }.Validate, "FirstStep is -1"),
        ];
        foreach ((Action validate, string message) in cases)
        {
            Exception exception = Assert.Throws<ArgumentException>(validate);
            Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        }
    }
}
