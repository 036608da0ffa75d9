using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>K-FAC on models with a layer over a vocabulary.</summary>
public sealed class VocabularyLayerTests : IDisposable
{
    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;

    public VocabularyLayerTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi, null)]
    [InlineData(DampingStyle.PerFactor, 0.05)]
    [InlineData(DampingStyle.Product, null)]
    public void Steps_with_a_projection_agree_with_float64(DampingStyle style, double? clip)
    {
        var model = new FakeModel(
            new KroneckerLayer("first", 3, 4, HasBias: true),
            new KroneckerLayer("words", 4, 6, HasBias: false) { HasDiagonalOutput = true });
        var parameters = new FakeParameters(_device, _arena, model.Layers);
        var options = new KfacOptions { Style = style, KlClip = clip, MovingAverage = 0.7, Damping = 0.05, Momentum = 0.8 };
        using var optimizer = new KfacOptimizer(_device, model, parameters.Set, options);
        var reference = new ReferenceKfac(_device, model, parameters.Set, options);
        for (int t = 1; t <= 6; t++)
        {
            model.FillUniform(_device.DefaultStream, _arena, 12, (ulong)t);
            float[] gradients = parameters.SetGradients((ulong)(1000 + t));
            optimizer.Step(model, parameters.Set, 0.2);
            reference.Step(TestData.ToDouble(gradients), 0.2);
            ErrorBound.AssertWithinAndSharp(
                parameters.Values, reference.Parameters, DeviceMatrix.RelativeToLargest(reference.Parameters, 1e-4), $"{style} t={t}");
        }

        Assert.Empty(optimizer.Events);
    }

    [Theory]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi, 0.9)]
    [InlineData(CurvatureKind.MonteCarlo, DampingStyle.FactoredPi, 0)]
    [InlineData(CurvatureKind.Exact, DampingStyle.Product, 0.9)]
    [InlineData(CurvatureKind.Empirical, DampingStyle.PerFactor, 0.9)]
    [InlineData(CurvatureKind.ForwardOnly, DampingStyle.InputOnly, 0.9)]
    public void State_restores_the_bits_of_the_next_steps_of_a_tied_weight(CurvatureKind kind, DampingStyle style, double average)
    {
        var options = new KfacOptions { Kind = kind, Style = style, MovingAverage = average, FactorInterval = 2, InverseInterval = 3 };
        var words = new VocabularyModel(_device, _arena, lookup: true, projection: true);
        var parameters = new FakeParameters(_device, _arena, words.Model.Layers);
        using var optimizer = new KfacOptimizer(_device, words.Model, parameters.Set, options);
        Run(optimizer, words, parameters, 1, 4);
        var state = new MemoryState(_device);
        state.Save(optimizer);
        float[] values = parameters.Values;
        Run(optimizer, words, parameters, 5, 9);

        var again = new FakeParameters(_device, _arena, words.Model.Layers);
        using var restored = new KfacOptimizer(_device, words.Model, again.Set, options);
        _device.DefaultStream.Upload(values, again.Set.Values);
        state.Restore(restored);
        Run(restored, words, again, 5, 9);
        Assert.Equal(parameters.Values, again.Values);
        Assert.NotEqual(values, again.Values);
    }

    private static void Run(KfacOptimizer optimizer, VocabularyModel words, FakeParameters parameters, int first, int last)
    {
        for (int t = first; t <= last; t++)
        {
            words.Fill((ulong)t);
            parameters.SetGradients((ulong)(1000 + t));
            optimizer.Step(words.Model, parameters.Set, 0.1);
        }
    }
}
