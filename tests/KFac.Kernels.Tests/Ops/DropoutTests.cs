using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class DropoutTests
{
    private static readonly PhiloxKey s_key = new(5, 9);

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Every_seed_keeps_what_the_random_numbers_say(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int rows, int columns, int seeds) in new[] { (0, 3, 1), (1, 1, 1), (3, 7, 2), (5, 64, 3), (33, 129, 1), (40, 1031, 2) })
        {
            foreach (int gap in new[] { 0, 3 })
            {
                foreach (float rate in new[] { 0f, 0.1f, 0.75f })
                {
                    float[] values = TestData.Uniform(seeds * rows * columns, 1);
                    GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, seeds * rows, columns, gap, 1).Write(values);
                    var y = new GuardedMatrix<float>(device.DefaultStream, arena, seeds * rows, columns, gap);
                    Dropout.Apply(device.DefaultStream, s_key, rate, rows, x.View, y.View);
                    double[] expected = [.. values.Select((v, i) => Kept(i % (rows * columns), rate) ? v / (1 - (double)rate) : 0)];
                    double[] tolerance = Array.ConvertAll(expected, v => ErrorBound.Gamma(3) * Math.Abs(v));
                    ErrorBound.AssertWithinAndSharp(y.Read(), expected, tolerance, $"{seeds}·{rows}×{columns}, rate {rate}");
                    y.AssertGuards();
                    Dropout.Apply(device.DefaultStream, s_key, rate, rows, x.View, x.View);
                    Assert.Equal(y.Read(), x.Read());
                    arena.Reset();
                }
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void What_is_dropped_is_zero_even_if_it_was_NaN(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, 4, 33).Write(Enumerable.Repeat(float.NaN, 132).ToArray());
        Dropout.Apply(device.DefaultStream, s_key, 0.5f, 4, x.View, x.View);
        Assert.Equal(Enumerable.Range(0, 132).Select(i => Kept(i, 0.5f) ? float.NaN : 0), x.Read());
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_number_on_the_device_completes_the_key_of_every_operation(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<ulong> number = arena.Vector<ulong>(1);
        const ulong Word = 0x8000_0001_0000_00F7;
        stream.Upload<ulong>([Word], number);
        DeviceKey completed = new(s_key with { Sequence = s_key.Sequence ^ Word }, number);
        Assert.Equal(Drawn(stream, arena, s_key), Drawn(stream, arena, completed));
        Assert.NotEqual(Drawn(stream, arena, s_key), Drawn(stream, arena, completed.Key));
        Assert.Throws<ArgumentException>(() => Drawn(stream, arena, new DeviceKey(s_key, arena.Vector<ulong>(2))));
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        float[] one = Dropped(1);
        Assert.Equal(one, Dropped(2));
        Assert.Equal(one, Dropped(3));

        static float[] Dropped(int threads)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, 301, 211).Write(TestData.Uniform(301 * 211, 1));
            Dropout.Apply(device.DefaultStream, s_key, 0.3f, 301, x.View, x.View);
            return x.Read();
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 6, 4).Write(TestData.Uniform(24, 1));
        float[] before = x.Read();
        foreach (float rate in new[] { -0.1f, 1f, float.NaN })
        {
            Assert.Throws<ArgumentException>(() => Dropout.Apply(stream, s_key, rate, 6, x.View, x.View));
        }

        Assert.Throws<ArgumentException>(() => Dropout.Apply(stream, s_key, 0.5f, 4, x.View, x.View));
        Assert.Throws<ArgumentException>(() => Dropout.Apply(stream, s_key, 0.5f, 2, x.View.RowRange(0, 4), x.View.RowRange(1, 4)));
        Assert.Equal(before, x.Read());
    }

    private static float[] Drawn(DeviceStream stream, Arena arena, DeviceKey key)
    {
        const int Rows = 19;
        MatrixView<float> x = new GuardedMatrix<float>(stream, arena, Rows, 5).Write(Enumerable.Repeat(0.2f, Rows * 5).ToArray()).View;
        VectorView<int> labels = arena.Vector<int>(Rows);
        stream.Upload<int>(new int[Rows], labels);
        var numbers = new GuardedMatrix<float>(stream, arena, 4, Rows * 5);
        Philox.Uniform(stream, key, 3, numbers.View.Row(0));
        Philox.Normal(stream, key, 4, numbers.View.Row(1));
        Dropout.Apply(stream, key, 0.5f, Rows, x, numbers.View.Row(2).AsMatrix(Rows, 5));
        BernoulliCrossEntropy.Sample(stream, x, x, key, 6, numbers.View.Row(3).AsMatrix(Rows, 5));
        VectorView<int> sampled = arena.Vector<int>(Rows);
        SoftmaxCrossEntropy.Sample(stream, x, labels, key, 1, sampled);
        var classes = new int[Rows];
        stream.Download(sampled, classes);
        return [.. numbers.Read(), .. Array.ConvertAll(classes, c => (float)c)];
    }

    private static bool Kept(int element, float rate) =>
        PhiloxReference.Uniform(PhiloxReference.Word(s_key.Seed, s_key.Sequence, (ulong)element)) >= rate;
}
