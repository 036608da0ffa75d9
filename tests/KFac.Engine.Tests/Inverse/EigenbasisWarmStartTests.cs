using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>Eigenbases that start from those of the update before.</summary>
public sealed class EigenbasisWarmStartTests : IDisposable
{
    private const int Width = 60;
    private const int Outputs = 40;

    private static readonly KroneckerLayer s_layer = new("wide", Width, Outputs, HasBias: false);

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;

    public EigenbasisWarmStartTests() => _arena = new Arena(_device);

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(1e-4)]
    [InlineData(0.02)]
    [InlineData(0.4)]
    public void UpdatesAreThoseFromScratch(double share)
    {
        using KroneckerInverses warm = Create(new InverseOptions());
        using KroneckerInverses cold = Create(new InverseOptions { WarmStart = false });
        for (ulong step = 0; step < 6; step++)
        {
            KroneckerPair factors = Factors(step, share);
            warm.Update([factors]);
            cold.Update([factors]);
            float[] expected = Apply(cold);
            double largest = expected.Max(Math.Abs);
            ErrorBound.AssertWithinAndSharp(
                Apply(warm), TestData.ToDouble(expected), [.. expected.Select(_ => 2e-3 * largest)], $"step {step}");
        }
    }

    [Fact]
    public void AFactorThatJumpsIsCountedAndTriedAgainLater()
    {
        using KroneckerInverses inverses = Create(new InverseOptions());
        long[] restarts = [.. Enumerable.Range(0, 8).Select(step =>
        {
            inverses.Update([Factors((ulong)step, 1)]);
            return inverses.Events.Where(count => count.Kind == "restartedBasis").Sum(count => count.Count);
        })];
        // Both factors; the second attempt comes two updates after the first, the third three after that.
        Assert.Equal([0, 2, 2, 4, 4, 4, 6, 6], restarts);
    }

    [Theory]
    [InlineData(1e-4)]
    [InlineData(1)]
    public void ResumingChangesNoBit(double share)
    {
        using KroneckerInverses inverses = Create(new InverseOptions());
        for (ulong step = 0; step < 3; step++)
        {
            inverses.Update([Factors(step, share)]);
        }

        var state = new MemoryState(_device);
        state.Save(inverses);
        using KroneckerInverses resumed = Create(new InverseOptions());
        state.Restore(resumed);
        for (ulong step = 3; step < 6; step++)
        {
            KroneckerPair factors = Factors(step, share);
            inverses.Update([factors]);
            resumed.Update([factors]);
            Assert.Equal(Apply(inverses), Apply(resumed));
            Assert.Equal(inverses.Events, resumed.Events);
        }
    }

    [Fact]
    public void ABasisThatIsGoodEnoughIsKept()
    {
        using KroneckerInverses kept = Create(new InverseOptions { KeepBasisBelow = 0.5 });
        using KroneckerInverses exact = Create(new InverseOptions());
        KroneckerPair first = Factors(0, 0.05);
        kept.Update([first]);
        exact.Update([first]);
        Assert.Equal(Apply(exact), Apply(kept));
        KroneckerPair second = Factors(1, 0.05);
        kept.Update([second]);
        exact.Update([second]);
        float[] near = Apply(kept);
        float[] expected = Apply(exact);
        Assert.NotEqual(expected, near);
        Assert.True(near.Zip(expected, (x, y) => x * y).Sum() > 0.9 * expected.Sum(y => y * y));
        Assert.ThrowsAny<ArgumentException>(() => Create(new InverseOptions { KeepBasisBelow = 1 }));
    }

    private KroneckerInverses Create(InverseOptions options) =>
        KroneckerInverses.Create(_device, [s_layer], options with { Style = DampingStyle.Product, Damping = 0.1 });

    /// <summary>A covariance that a fresh one replaces by a share.</summary>
    private KroneckerPair Factors(ulong step, double share) =>
        new(_arena.Upload(Width, Width, Covariance(Width, step, share)), _arena.Upload(Outputs, Outputs, Covariance(Outputs, step + 100, share)));

    private static float[] Covariance(int n, ulong step, double share)
    {
        float[] old = TestData.Uniform(2 * n * n, 7);
        float[] fresh = TestData.Uniform(2 * n * n, 8 + step);
        var result = new float[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = 0;
                for (int r = 0; r < 2 * n; r++)
                {
                    sum += ((1 - share) * old[(r * n) + i] * old[(r * n) + j]) + (share * fresh[(r * n) + i] * fresh[(r * n) + j]);
                }

                result[(i * n) + j] = (float)(sum / n);
            }
        }

        return result;
    }

    private float[] Apply(KroneckerInverses inverses)
    {
        MatrixView<float> gradient = _arena.Upload(Outputs, Width, TestData.Uniform(Outputs * Width, 3));
        MatrixView<float> update = _arena.Matrix<float>(Outputs, Width);
        inverses.Apply(0, gradient, update);
        return _device.Read(update);
    }
}
