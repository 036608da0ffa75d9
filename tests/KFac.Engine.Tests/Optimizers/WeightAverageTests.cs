using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class WeightAverageTests : IDisposable
{
    private const int Steps = 12;

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly FakeParameters _parameters;

    public WeightAverageTests()
    {
        _arena = new Arena(_device);
        _parameters = new FakeParameters(_device, _arena, [new KroneckerLayer("layer", 6, 5, HasBias: true)]);
    }

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData(null, 5)]
    [InlineData(0.9, 0)]
    [InlineData(0.5, 5)]
    [InlineData(0.0, 0)]
    public void Averages_agree_with_float64(double? decay, int firstStep)
    {
        using var average = new WeightAverage(_device, _parameters.Set, new WeightAverageOptions { Decay = decay, FirstStep = firstStep });
        var sum = new double[_parameters.Set.Values.Length];
        double weights = 0;
        for (int t = 0; t < Steps; t++)
        {
            float[] values = SetValues(t);
            average.Update(_parameters.Set);
            Assert.Equal(t >= firstStep, average.HasValues);
            double keep = t < firstStep ? 0 : decay ?? 1;
            double weight = t < firstStep ? 0 : 1;
            weights = (keep * weights) + weight;
            sum = [.. sum.Zip(values, (old, value) => (keep * old) + (weight * value))];
        }

        double[] expected = [.. sum.Select(value => value / weights)];
        double[] tolerance = [.. expected.Select(_ => ErrorBound.Gamma(4 * Steps))];
        ErrorBound.AssertWithinAndSharp(_device.Read(average.Values), expected, tolerance, "average");
    }

    [Fact]
    public void Exchanging_twice_restores_the_bits()
    {
        using var average = new WeightAverage(_device, _parameters.Set, new WeightAverageOptions());
        Assert.Throws<InvalidOperationException>(() => average.Exchange(_parameters.Set));
        SetValues(1);
        average.Update(_parameters.Set);
        float[] now = SetValues(2);
        average.Update(_parameters.Set);
        float[] averaged = _device.Read(average.Values);

        average.Exchange(_parameters.Set);
        Assert.Equal(averaged, _parameters.Values);
        average.Exchange(_parameters.Set);
        Assert.Equal(now, _parameters.Values);
        Assert.Equal(averaged, _device.Read(average.Values));
    }

    [Fact]
    public void State_restores_the_bits_of_the_next_steps()
    {
        var options = new WeightAverageOptions { Decay = 0.9, FirstStep = 1 };
        using var average = new WeightAverage(_device, _parameters.Set, options);
        Update(average, 0, 4);
        var state = new MemoryState(_device);
        state.Save(average);
        Update(average, 5, 9);

        using var restored = new WeightAverage(_device, _parameters.Set, options);
        state.Restore(restored);
        Update(restored, 5, 9);
        Assert.Equal(_device.Read(average.Values), _device.Read(restored.Values));
    }

    private void Update(WeightAverage average, int first, int last)
    {
        for (int t = first; t <= last; t++)
        {
            SetValues(t);
            average.Update(_parameters.Set);
        }
    }

    private float[] SetValues(int t)
    {
        float[] values = TestData.Uniform(_parameters.Set.Values.Length, (ulong)t);
        _device.DefaultStream.Upload(values, _parameters.Set.Values);
        return values;
    }
}
