using FsCheck;
using FsCheck.Fluent;
using KFac.Reference;
using KFac.Testing;
using Xunit;
using TestData = KFac.Testing.TestData;

namespace KFac.Kernels.Tests;

public sealed class PhiloxTests
{
    private static readonly PhiloxKey Key = new(0x0123456789ABCDEF, 0xFEDCBA9876543210);

    /// <summary>kat_vectors of Random123, philox4x32 10.</summary>
    [Fact]
    public void KnownAnswers()
    {
        const uint ones = uint.MaxValue;
        Assert.Equal(
            new PhiloxBlock(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8), PhiloxBlock.Compute(default, 0, 0));
        Assert.Equal(
            new PhiloxBlock(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd),
            PhiloxBlock.Compute(new PhiloxBlock(ones, ones, ones, ones), ones, ones));
        Assert.Equal(
            new PhiloxBlock(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1),
            PhiloxBlock.Compute(new PhiloxBlock(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344), 0xa4093822, 0x299f31d0));
        Assert.Equal(
            [0xd16cfe09u, 0x94fdcceb, 0x5001e420, 0x24126ea1],
            PhiloxReference.Block([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], 0xa4093822, 0x299f31d0));
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void UniformIsTheReferencesBitForBit(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (ulong offset in new ulong[] { 0, 1, 6, (4UL << 32) - 130, (1UL << 63) + 3 })
        {
            foreach (int n in TestData.EdgeSizes.Append(1023).Append(16_385).Append(33_001))
            {
                Assert.Equal(
                    Enumerable.Range(0, n).Select(i => (float)PhiloxReference.Uniform(
                        PhiloxReference.Word(Key.Seed, Key.Sequence, offset + (ulong)i))),
                    Uniform(device, arena, Key, offset, n));
                arena.Reset();
            }
        }
    }

    [Fact]
    public void NormalHasTheSameBitsEverywhere()
    {
        foreach (int n in TestData.EdgeSizes.Append(1023).Append(16_385).Append(33_001))
        {
            var generator = new PhiloxGenerator(Key, 10);
            float[] expected = [.. Enumerable.Range(0, n).Select(_ => generator.NextNormal())];
            foreach (string key in TestDevice.CpuKeys.Append("cpu/Widest/3"))
            {
                using Device device = TestDevice.Open(key);
                using var arena = new Arena(device);
                Assert.Equal(expected, Normal(device, arena, Key, 10, n));
            }
        }
    }

    [SkippableFact]
    public void NormalHasTheSameBitsOnAGpu()
    {
        using Device device = TestDevice.Open(TestDevice.CudaHost);
        using var arena = new Arena(device);
        foreach (int n in TestData.EdgeSizes.Append(4_001))
        {
            foreach (ulong offset in new ulong[] { 0, 2, 10, (1UL << 40) + 6 })
            {
                var generator = new PhiloxGenerator(Key, offset);
                Assert.Equal(Enumerable.Range(0, n).Select(_ => generator.NextNormal()), Normal(device, arena, Key, offset, n));
                arena.Reset();
            }
        }
    }

    /// <summary>A few bits that a device of another kind must reproduce: they change only with the definition.</summary>
    [Fact]
    public void NormalKeepsItsBits()
    {
        var generator = new PhiloxGenerator(new PhiloxKey(1, 2));
        uint[] bits = [.. Enumerable.Range(0, 4).Select(_ => BitConverter.SingleToUInt32Bits(generator.NextNormal()))];
        Assert.Equal([3221447321u, 3207370963, 1060808508, 1044109915], bits);
    }

    [Fact]
    public void NormalIsCloseToBoxMullerInFloat64AndHasItsMoments()
    {
        const int n = 400_000;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] actual = Normal(device, arena, Key, 0, n);
        var expected = new double[n];
        for (int i = 0; i < n; i += 2)
        {
            (expected[i], expected[i + 1]) = PhiloxReference.Normal(
                PhiloxReference.Word(Key.Seed, Key.Sequence, (ulong)i), PhiloxReference.Word(Key.Seed, Key.Sequence, (ulong)i + 1));
        }

        ErrorBound.AssertWithinAndSharp(actual, expected, [.. expected.Select(_ => Philox.NormalError)], "normal");
        double mean = actual.Average(v => (double)v);
        double variance = actual.Average(v => (double)v * v);
        double fourth = actual.Average(v => Math.Pow(v, 4));
        Assert.InRange(mean, -5 / Math.Sqrt(n), 5 / Math.Sqrt(n));
        Assert.InRange(variance - 1, -5 * Math.Sqrt(2.0 / n), 5 * Math.Sqrt(2.0 / n));
        Assert.InRange(fourth - 3, -5 * Math.Sqrt(96.0 / n), 5 * Math.Sqrt(96.0 / n));
    }

    [Fact]
    public void ALongerRunHoldsEveryShorterOne()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] uniform = Uniform(device, arena, Key, 0, 4000);
        float[] normal = Normal(device, arena, Key, 0, 4000);
        Prop.ForAll(
            Gen.Choose(0, 1500).ToArbitrary(),
            Gen.Choose(0, 1000).ToArbitrary(),
            (start, length) =>
            {
                bool same = Uniform(device, arena, Key, (ulong)start, length).AsSpan().SequenceEqual(uniform.AsSpan(start, length))
                    && Normal(device, arena, Key, (ulong)(2 * start), length).AsSpan().SequenceEqual(normal.AsSpan(2 * start, length));
                arena.Reset();
                return same;
            }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void GeneratorReadsTheDevicesSequenceAndResumes()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var generator = new PhiloxGenerator(Key, 3);
        float[] numbers = [.. Enumerable.Range(0, 50).Select(_ => generator.NextUniform())];
        Assert.Equal(Uniform(device, arena, Key, 3, 50), numbers);
        Assert.Equal(53UL, generator.Position);
        generator.Position = 20;
        Assert.Equal(numbers[17], generator.NextUniform());
        Assert.Equal(new PhiloxGenerator(generator.Key, generator.Position).NextNormal(), generator.NextNormal());
    }

    [Fact]
    public void NextBelowIsUniformAndStaysBelow()
    {
        var generator = new PhiloxGenerator(Key);
        var counts = new int[10];
        for (int i = 0; i < 100_000; i++)
        {
            counts[generator.NextBelow(10)]++;
        }

        double chiSquare = counts.Sum(c => Math.Pow(c - 10_000, 2) / 10_000);
        Assert.InRange(chiSquare, 0, 33.7);
        Assert.Equal(0, generator.NextBelow(1));
        Assert.InRange(generator.NextBelow(int.MaxValue), 0, int.MaxValue - 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => generator.NextBelow(0));
    }

    [Fact]
    public void NextBelowDrawsAgainWhereAMultiplicationWouldBeBiased()
    {
        // 3·2²⁹ does not divide 2³²: a third of the words are refused, so positions run ahead of draws.
        var generator = new PhiloxGenerator(Key);
        int draws = 3000;
        for (int i = 0; i < draws; i++)
        {
            generator.NextBelow(3 << 29);
        }

        Assert.InRange(generator.Position, 1.25 * draws, 1.42 * draws);
    }

    [Fact]
    public void ShuffleIsAPermutationThatEveryOrderCanCome()
    {
        var generator = new PhiloxGenerator(Key);
        var orders = new Dictionary<string, int>();
        for (int i = 0; i < 6000; i++)
        {
            Span<char> items = ['a', 'b', 'c'];
            generator.Shuffle(items);
            string order = items.ToString();
            orders[order] = orders.GetValueOrDefault(order) + 1;
        }

        Assert.Equal(6, orders.Count);
        Assert.All(orders.Values, count => Assert.InRange(count, 850, 1150));
    }

    [Fact]
    public void RefusesAnOddOffsetOfNormals()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var y = new GuardedMatrix<float>(device.DefaultStream, arena, 1, 4);
        Refusal.Of(() => Philox.Normal(device.DefaultStream, Key, 3, y.View.AsVector()), y);
        VectorView<float> view = y.View.AsVector();
        Refusal.OfStaleViews(arena, () => Philox.Uniform(device.DefaultStream, Key, 0, view));
    }

    private static float[] Uniform(Device device, Arena arena, PhiloxKey key, ulong offset, int length)
    {
        var y = new GuardedMatrix<float>(device.DefaultStream, arena, 1, length, 0, length % 2);
        Philox.Uniform(device.DefaultStream, key, offset, y.View.AsVector());
        y.AssertGuards();
        return y.Read();
    }

    private static float[] Normal(Device device, Arena arena, PhiloxKey key, ulong offset, int length)
    {
        var y = new GuardedMatrix<float>(device.DefaultStream, arena, 1, length, 0, length % 2);
        Philox.Normal(device.DefaultStream, key, offset, y.View.AsVector());
        y.AssertGuards();
        return y.Read();
    }
}
