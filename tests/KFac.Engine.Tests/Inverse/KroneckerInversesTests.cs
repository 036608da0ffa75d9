using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class KroneckerInversesTests : IDisposable
{
    private static readonly KroneckerLayer[] s_layers = [new("first", 2, 2, HasBias: false), new("second", 2, 2, HasBias: false)];
    private static readonly float[] s_good = DeviceMatrix.Diagonal(1, 3);
    private static readonly float[] s_nan = [1, float.NaN, float.NaN, 1];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly List<NumericalEvent> _events = [];

    public KroneckerInversesTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void A_factor_that_fails_in_float32_is_retried_in_float64()
    {
        const int Size = 64;
        var layer = new KroneckerLayer("wide", Size, 1, HasBias: false);
        using KroneckerInverses inverses = KroneckerInverses.Create(_device, [layer], Options(DampingStyle.PerFactor, 1e-4));

        inverses.Update([new KroneckerPair(_arena.Upload(Size, Size, RankDeficient(Size, Size / 2)), _arena.Upload(1, 1, [1f]))]);

        Assert.Equal([new NumericalEvent("wide", "A", NumericalEventKind.RetriedInDouble)], _events);
        Assert.Equal([new NumericalEventCount("wide", "retriedInDouble", 1)], inverses.Events);
    }

    [Fact]
    public void A_factor_that_fails_in_float64_gets_ten_times_the_damping_until_it_passes()
    {
        const double Damping = 0.01;
        using KroneckerInverses inverses = KroneckerInverses.Create(_device, s_layers, Options(DampingStyle.PerFactor, Damping));

        Update(inverses, DeviceMatrix.Diagonal(2, -0.5f), s_good);

        Assert.Equal(
            [
                new NumericalEvent("first", "A", NumericalEventKind.RetriedInDouble),
                new NumericalEvent("first", "A", NumericalEventKind.DampingIncreased),
                new NumericalEvent("first", "A", NumericalEventKind.DampingIncreased),
            ],
            _events);
        float[] update = Apply(inverses, 0);
        Assert.Equal(1 / ((2 + (100 * Damping)) * (1 + Damping)), update[0], 1e-6);
        Assert.Equal(1 / ((-0.5 + (100 * Damping)) * (1 + Damping)), update[1], 1e-5);
        Assert.Equal(
            [new NumericalEventCount("first", "retriedInDouble", 1), new NumericalEventCount("first", "dampingIncreased", 2)],
            inverses.Events);
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.PerFactor)]
    [InlineData(DampingStyle.Product)]
    [InlineData(DampingStyle.InputOnly)]
    public void When_nothing_helps_the_last_good_inverse_stays(DampingStyle style)
    {
        using KroneckerInverses inverses = KroneckerInverses.Create(_device, s_layers, Options(style, 0.01));
        Update(inverses, s_good, s_good);
        float[] before = Apply(inverses, 0);

        Update(inverses, s_nan, DeviceMatrix.Diagonal(5, 7));

        Assert.Contains(new NumericalEvent("first", "A", NumericalEventKind.KeptLastInverse), _events);
        Assert.All(_events, item => Assert.Equal(("first", "A"), (item.Layer, item.Factor)));
        if (style != DampingStyle.FactoredPi)
        {
            Assert.Equal(before, Apply(inverses, 0));
        }

        Assert.NotEqual(before, Apply(inverses, 1));
    }

    [Fact]
    public void Without_an_earlier_inverse_the_identity_over_the_mean_eigenvalue_stands_in()
    {
        using KroneckerInverses inverses = KroneckerInverses.Create(
            _device, s_layers, Options(DampingStyle.InputOnly, 0.5) with { DampingIncreases = 0 });

        Update(inverses, [4, 0, 0, -2], s_good);

        Assert.Contains(new NumericalEventCount("first", "usedScaledIdentity", 1), inverses.Events);
        Assert.Equal([1 / 1.5f, 1 / 1.5f, 1 / 1.5f, 1 / 1.5f], Apply(inverses, 0));
        Assert.Equal(1 / 1.5, Apply(inverses, 1)[0], 1e-6);
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.PerFactor)]
    [InlineData(DampingStyle.Product)]
    [InlineData(DampingStyle.InputOnly)]
    public void A_layer_whose_first_factor_has_overflowed_stands_still(DampingStyle style)
    {
        using KroneckerInverses inverses = KroneckerInverses.Create(_device, s_layers, Options(style, 0.01));

        Update(inverses, DeviceMatrix.Diagonal(float.PositiveInfinity, 1), s_good);

        Assert.Contains(new NumericalEventCount("first", "usedScaledIdentity", 1), inverses.Events);
        Assert.All(Apply(inverses, 0), value => Assert.Equal(0, value, 1e-30));
        Assert.All(Apply(inverses, 1), value => Assert.True(value > 0.01f));
    }

    [Fact]
    public void Wrong_numbers_and_shapes_are_refused_and_inverses_are_needed_before_use()
    {
        using KroneckerInverses inverses = KroneckerInverses.Create(_device, s_layers, Options(DampingStyle.PerFactor, 0.01));
        MatrixView<float> two = _arena.Upload(2, 2, s_good);
        MatrixView<float> three = _arena.Upload(3, 3, DeviceMatrix.Diagonal(1, 2, 3));

        Exception early = Assert.Throws<InvalidOperationException>(() => inverses.Apply(0, two, _arena.Matrix<float>(2, 2)));
        Assert.Contains("before the first update", early.Message, StringComparison.Ordinal);
        Exception number = Assert.Throws<ArgumentException>(() => inverses.Update([new KroneckerPair(two, two)]));
        Assert.Contains("There are 1 pairs of factors; wanted one for each of 2 layers", number.Message, StringComparison.Ordinal);
        Exception shape = Assert.Throws<ArgumentException>(
            () => inverses.Update([new KroneckerPair(two, two), new KroneckerPair(two, three)]));
        Assert.Contains("Factor B of layer 'second' is 3×3; wanted 2×2", shape.Message, StringComparison.Ordinal);

        Update(inverses, s_good, s_good);
        Exception gradient = Assert.Throws<ArgumentException>(() => inverses.Apply(0, three, three));
        Assert.Contains("The gradient of layer 'first' is 3×3; wanted 2×2", gradient.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.Product)]
    public void State_restores_inverses_and_counts(DampingStyle style)
    {
        using KroneckerInverses inverses = KroneckerInverses.Create(_device, s_layers, Options(style, 0.01));
        Update(inverses, s_nan, s_good);
        Update(inverses, s_good, s_good);
        Update(inverses, s_nan, s_good);
        var state = new MemoryState(_device);
        state.Save(inverses);
        float[] expected = Apply(inverses, 0);
        IReadOnlyList<NumericalEventCount> events = inverses.Events;

        using KroneckerInverses restored = KroneckerInverses.Create(_device, s_layers, Options(style, 0.01));
        state.Restore(restored);

        Assert.Equal(expected, Apply(restored, 0));
        Assert.Equal(events, restored.Events);
        Update(restored, s_nan, s_good);
        Assert.Equal(expected, Apply(restored, 0));
    }

    private InverseOptions Options(DampingStyle style, double damping) =>
        new() { Style = style, Damping = damping, OnEvent = _events.Add };

    /// <summary>Updates with the given factors A and well-conditioned factors B.</summary>
    private void Update(KroneckerInverses inverses, float[] firstA, float[] secondA)
    {
        MatrixView<float> b = _arena.Upload(2, 2, DeviceMatrix.Diagonal(1, 1));
        inverses.Update(
        [
            new KroneckerPair(_arena.Upload(2, 2, firstA), b),
            new KroneckerPair(_arena.Upload(2, 2, secondA), b),
        ]);
    }

    private float[] Apply(KroneckerInverses inverses, int layer)
    {
        MatrixView<float> update = _arena.Matrix<float>(2, 2);
        inverses.Apply(layer, _arena.Upload(2, 2, [1, 1, 1, 1]), update);
        return _device.Read(update);
    }

    /// <summary>XᵀX of whole numbers with fewer rows than columns: exact in float32, and singular.</summary>
    private static float[] RankDeficient(int size, int rank)
    {
        int[] x = TestData.Integers(rank * size, 17, 1);
        var result = new float[size * size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                result[(i * size) + j] = Enumerable.Range(0, rank).Sum(k => (x[(k * size) + i] - 8) * (x[(k * size) + j] - 8));
            }
        }

        return result;
    }
}
