using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class LimitProbeTests
{
    [Fact]
    public void A_busy_machine_is_named()
    {
        var limits = new MachineLimits(Gflops: 300, SingleThreadGflops: 200, ReadGBps: 1, CopyGBps: 1, WriteGBps: 1);
        Assert.Null(limits.BusyWarning(1));
        Assert.Null(limits.BusyWarning(2));
        Assert.Contains("busy", (limits with { Gflops = 299 }).BusyWarning(2), StringComparison.Ordinal);
        Assert.StartsWith("4 threads reach 1.50 times", limits.BusyWarning(4), StringComparison.Ordinal);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ChainsAreRunAsOftenAsTheyAreCounted(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var sums = new GuardedMatrix<float>(stream, arena, 1, 3, 0, 1);
        foreach (int links in (ReadOnlySpan<int>)[1, 2, 5, 26, 1000])
        {
            long operations = LimitProbe.MultiplyAdd(stream, links, sums.View.AsVector());
            double chains = operations / (2.0 * links);
            Assert.Equal([.. Enumerable.Repeat((float)(chains * (2 - Math.ScaleB(1, 1 - Math.Min(links, 26)))), 3)], sums.Read());
            sums.AssertGuards();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void TensorCoresDoAsMuchAsTheyCountOrNothing(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var sums = new GuardedMatrix<float>(stream, arena, 1, 3, 0, 1);
        sums.Write([7, 7, 7]);
        foreach (int links in (ReadOnlySpan<int>)[1, 2, 20])
        {
            // Each accumulator takes 8 multiplications and 8 additions a link.
            long operations = LimitProbe.TensorMultiplyAdd(stream, links, sums.View.AsVector());
            Assert.Equal([.. Enumerable.Repeat(operations == 0 ? 7 : operations / 16f, 3)], sums.Read());
            sums.AssertGuards();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void EveryElementIsReadOnce(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (int length in (ReadOnlySpan<int>)[0, 1, 2, 15, 63, 64, 65, 131, 1009])
        {
            float[] values = [.. Enumerable.Range(1, length).Select(static i => (float)i)];
            var x = new GuardedMatrix<float>(stream, arena, 1, length, 0, 1);
            var sums = new GuardedMatrix<float>(stream, arena, 1, 3, 0, 1);
            x.Write(values);
            LimitProbe.Read(stream, x.View.AsVector(), sums.View.AsVector());
            int part = (length + 2) / 3;
            Assert.Equal([.. Enumerable.Range(0, 3).Select(task => values.Skip(task * part).Take(part).Sum())], sums.Read());
            sums.AssertGuards();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ACopyIsTheSameAndNothingElseIsWritten(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (int length in (ReadOnlySpan<int>)[0, 1, 15, 16, 17, 33, 1009, (256 * 1024) - 1, (256 * 1024) + 1, 600_003])
        {
            foreach (int offset in (ReadOnlySpan<int>)[0, 1, 3])
            {
                float[] values = TestData.Uniform(length, 1);
                var x = new GuardedMatrix<float>(stream, arena, 1, length, 0, 1);
                var y = new GuardedMatrix<float>(stream, arena, 1, length, 0, offset);
                x.Write(values);
                LimitProbe.Copy(stream, x.View.AsVector(), y.View.AsVector());
                Assert.Equal(values, y.Read());
                y.AssertGuards();
            }

            arena.Reset();
        }
    }

    [Fact]
    public void WrongCallsAreRefused()
    {
        using Device device = TestDevice.OpenDefault();
        using Device other = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        using var elsewhere = new Arena(other);
        DeviceStream stream = device.DefaultStream;
        VectorView<float> x = arena.Vector<float>(8);
        VectorView<float> y = arena.Vector<float>(7);
        Assert.Throws<ArgumentOutOfRangeException>(() => LimitProbe.MultiplyAdd(stream, 0, x));
        Assert.Throws<ArgumentException>(() => LimitProbe.MultiplyAdd(stream, 1, elsewhere.Vector<float>(1)));
        Assert.Throws<ArgumentException>(() => LimitProbe.Read(stream, x, x.Slice(2, 1)));
        Assert.Throws<ArgumentException>(() => LimitProbe.Copy(stream, x, y));
        Assert.Throws<ArgumentException>(() => LimitProbe.Copy(stream, x.Slice(0, 4), x.Slice(3, 4)));
        arena.Reset();
        Assert.Throws<InvalidOperationException>(() => LimitProbe.Read(stream, x, arena.Vector<float>(1)));
    }

    [Fact]
    public void LimitsAreMeasured()
    {
        using Device device = TestDevice.OpenDefault();
        MachineLimits limits = MachineLimits.Measure(device);
        Assert.True(limits is { Gflops: > 0.1, SingleThreadGflops: > 0.1, ReadGBps: > 0.1, CopyGBps: > 0.1, WriteGBps: > 0.1 });
        Assert.Throws<OperationCanceledException>(() => MachineLimits.Measure(device, new CancellationToken(canceled: true)));
    }

    [Fact]
    public void A_meter_keeps_the_best_of_its_rounds_until_it_starts_again()
    {
        using Device device = TestDevice.OpenDefault();
        using var meter = new LimitMeter(device);
        Assert.Equal(0, meter.Best.CopyGBps);
        meter.Round();
        MachineLimits first = meter.Best;
        meter.Round();
        MachineLimits best = meter.Best;
        Assert.True(best.Gflops >= first.Gflops && best.ReadGBps >= first.ReadGBps && best.CopyGBps >= first.CopyGBps && best.WriteGBps >= first.WriteGBps);
        meter.Restart();
        Assert.Equal(new MachineLimits(0, 0, 0, 0, 0), meter.Best);
    }
}
