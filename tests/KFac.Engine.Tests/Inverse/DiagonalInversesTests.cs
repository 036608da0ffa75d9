using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class DiagonalInversesTests : IDisposable
{
    private const int Words = 6;
    private const int Width = 4;

    private static readonly KroneckerLayer[] s_layers =
        [new("plain", 2, 2, HasBias: false), new("words", Width, Words, HasBias: false) { HasDiagonalOutput = true }];

    private static readonly float[] s_plain = DeviceMatrix.Diagonal(1, 3);
    private static readonly float[] s_b = [0.5f, 0, 2, 0.25f, 1, 3];

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;
    private readonly List<NumericalEvent> _events = [];

    public DiagonalInversesTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.PerFactor)]
    [InlineData(DampingStyle.Product)]
    [InlineData(DampingStyle.InputOnly)]
    public void Updates_agree_with_the_dense_inverse_in_float64(DampingStyle style)
    {
        const double Damping = 0.05;
        using KroneckerInverses inverses = Create(style, Damping);
        float[] factor = DeviceMatrix.Spd(Width, 3);
        Update(inverses, factor, s_b);
        float[] gradient = TestData.Uniform(Words * Width, 4);

        float[] actual = Apply(inverses, gradient);

        double[] a = TestData.ToDouble(factor);
        double[] b = TestData.ToDouble(DeviceMatrix.Diagonal(s_b));
        double[] v = TestData.ToDouble(gradient);
        double pi = Preconditioning.Pi(a, Width, b, Words);
        double root = Math.Sqrt(Damping);
        double[] expected = style switch
        {
            DampingStyle.FactoredPi => Preconditioning.Factored(a, Width, pi * root, b, Words, root / pi, v),
            DampingStyle.Product => Preconditioning.Dense(a, Width, b, Words, v, Damping),
            _ => Preconditioning.Factored(a, Width, Damping, b, Words, Damping, v),
        };
        ErrorBound.AssertWithinAndSharp(actual, expected, DeviceMatrix.RelativeToLargest(expected, 2e-5), $"{style}");
        Assert.Empty(_events);
        Assert.Equal(0, inverses.MostRows(1));
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.PerFactor)]
    [InlineData(DampingStyle.Product)]
    [InlineData(DampingStyle.InputOnly)]
    public void A_diagonal_that_is_not_finite_keeps_the_last_and_without_one_the_layer_stands_still(DampingStyle style)
    {
        float[] bad = [1, 2, float.NaN, 4, 5, 6];
        float[] factor = DeviceMatrix.Diagonal(1, 2, 3, 4);
        float[] gradient = TestData.Uniform(Words * Width, 4);
        using (KroneckerInverses fresh = Create(style, 0.1))
        {
            Update(fresh, factor, bad);
            Assert.Equal([new NumericalEvent("words", "B", NumericalEventKind.UsedScaledIdentity)], _events);
            Assert.All(Apply(fresh, gradient), static value => Assert.Equal(0, value, 1e-30));
        }

        using KroneckerInverses inverses = Create(style, 0.1);
        Update(inverses, factor, s_b);
        float[] before = Apply(inverses, gradient);
        _events.Clear();
        Update(inverses, factor, bad);
        Assert.Equal([new NumericalEvent("words", "B", NumericalEventKind.KeptLastInverse)], _events);
        if (style != DampingStyle.FactoredPi)
        {
            Assert.Equal(before, Apply(inverses, gradient));
        }
    }

    [Theory]
    [InlineData(DampingStyle.PerFactor)]
    [InlineData(DampingStyle.Product)]
    public void Without_damping_a_word_that_never_occurred_is_damped_and_reported(DampingStyle style)
    {
        using KroneckerInverses inverses = Create(style, 0);
        Update(inverses, DeviceMatrix.Diagonal(1, 2, 3, 4), s_b);
        Assert.Equal(NumericalEventKind.DampingIncreased, Assert.Single(_events).Kind);
        Assert.All(Apply(inverses, TestData.Uniform(Words * Width, 4)), static value => Assert.True(float.IsFinite(value)));
    }

    [Theory]
    [InlineData(DampingStyle.FactoredPi)]
    [InlineData(DampingStyle.Product)]
    [InlineData(DampingStyle.InputOnly)]
    public void State_restores_what_is_applied(DampingStyle style)
    {
        float[] gradient = TestData.Uniform(Words * Width, 4);
        using KroneckerInverses inverses = Create(style, 0.1);
        Update(inverses, DeviceMatrix.Spd(Width, 5), s_b);
        var state = new MemoryState(_device);
        state.Save(inverses);
        using KroneckerInverses restored = Create(style, 0.1);
        state.Restore(restored);
        Assert.Equal(Apply(inverses, gradient), Apply(restored, gradient));
    }

    [Fact]
    public void A_matrix_in_place_of_the_diagonal_is_refused_and_rows_make_the_gradient_first()
    {
        using KroneckerInverses inverses = Create(DampingStyle.PerFactor, 0.1);
        MatrixView<float> a = _arena.Upload(Width, Width, DeviceMatrix.Diagonal(1, 2, 3, 4));
        MatrixView<float> plain = _arena.Upload(2, 2, s_plain);
        MatrixView<float> square = _arena.Matrix<float>(Words, Words);
        Exception exception = Assert.Throws<ArgumentException>(
            () => inverses.Update([new KroneckerPair(plain, plain), new KroneckerPair(a, square)]));
        Assert.Contains("Factor B of layer 'words' is 6×6; wanted its diagonal, 1×6", exception.Message, StringComparison.Ordinal);

        Update(inverses, DeviceMatrix.Diagonal(1, 2, 3, 4), s_b);
        MatrixView<float> g = _arena.Upload(1, Words, TestData.Uniform(Words, 1));
        MatrixView<float> x = _arena.Upload(1, Width, TestData.Uniform(Width, 2));
        MatrixView<float> update = _arena.Matrix<float>(Words, Width);
        inverses.ApplyRows(1, g, x, 1, update);
        float[] outer = [.. _device.Read(g).SelectMany(left => _device.Read(x).Select(right => left * right))];
        Assert.Equal(Apply(inverses, outer), _device.Read(update));
    }

    private KroneckerInverses Create(DampingStyle style, double damping) => KroneckerInverses.Create(
        _device, s_layers, new InverseOptions { Style = style, Damping = damping, OnEvent = _events.Add });

    private void Update(KroneckerInverses inverses, float[] a, float[] b)
    {
        MatrixView<float> plain = _arena.Upload(2, 2, s_plain);
        inverses.Update([new KroneckerPair(plain, plain), new KroneckerPair(_arena.Upload(Width, Width, a), _arena.Upload(1, Words, b))]);
    }

    private float[] Apply(KroneckerInverses inverses, float[] gradient)
    {
        MatrixView<float> update = _arena.Matrix<float>(Words, Width);
        inverses.Apply(1, _arena.Upload(Words, Width, gradient), update);
        return _device.Read(update);
    }
}
