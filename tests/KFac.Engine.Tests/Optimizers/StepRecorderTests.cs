using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

public sealed class StepRecorderTests
{
    private const int Length = 37;

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Numbers_on_the_device_change_from_replay_to_replay_and_one_that_was_recorded_shows(bool planted)
    {
        float[] expected = Steps(graphs: false, planted, out long none);
        float[] replayed = Steps(graphs: true, planted, out long replays);
        Assert.Equal((0, 5), (none, replays));
        if (planted)
        {
            // The control: a rate that the launch was given is the same in every replay.
            Assert.NotEqual(expected, replayed);
        }
        else
        {
            Assert.Equal(expected, replayed);
        }
    }

    [SkippableFact]
    public void A_few_recordings_are_kept_and_the_oldest_gives_way()
    {
        using Device device = TestDevice.OpenCudaHost(new DeviceOptions());
        using var arena = new Arena(device);
        MatrixView<float>[] places = [.. Enumerable.Range(0, 6).Select(_ => arena.Matrix<float>(1, 3))];
        int place = 0;
        float value = 0;
        using var recorder = new StepRecorder(device.DefaultStream, () => Elementwise.Fill(device.DefaultStream, value, places[place]));

        // Given, recorded, given, recorded; then both are replayed, with the numbers of their recording.
        foreach ((int at, float number, float expected) in new[] { (0, 1f, 1f), (0, 2, 2), (1, 3, 3), (1, 4, 4), (0, 5, 2), (1, 6, 4) })
        {
            (place, value) = (at, number);
            recorder.Run((ulong)at);
            Assert.Equal(expected, device.DefaultStream.Read(places[at].AsVector()));
        }

        Assert.Equal(4, recorder.Replays);
        foreach (int at in new[] { 2, 3, 4, 5 })
        {
            (place, value) = (at, 7);
            recorder.Run((ulong)at);
        }

        // Forgotten meanwhile.
        (place, value) = (0, 8);
        Assert.False(recorder.Run(0));
        Assert.True(recorder.Run(0));
        Assert.False(recorder.Run(null));
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Work_that_waits_or_finds_no_memory_while_it_is_recorded_is_done_as_it_is(bool waits)
    {
        using Device device = TestDevice.OpenCudaHost(new DeviceOptions { MemoryLimit = 1 << 20 });
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(1, Length);
        MatrixView<float> ones = arena.Matrix<float>(1, Length);
        Elementwise.Fill(stream, 0, x);
        Elementwise.Fill(stream, 1, ones);
        int attempts = 0;
        using var recorder = new StepRecorder(stream, Work);
        for (int step = 0; step < 4; step++)
        {
            Assert.False(recorder.Run(1));
        }

        // Four steps and the attempt to record the second, which added nothing.
        Assert.Equal(5, attempts);
        Assert.Equal(4, stream.Read(x.AsVector()));

        // The device goes on: it allocates, records and replays.
        using var another = new Arena(device);
        MatrixView<float> y = another.Matrix<float>(1, Length);
        using RecordedWork recorded = stream.Record(() => Elementwise.Copy(stream, x, y));
        stream.Replay(recorded);
        Assert.Equal(4, stream.Read(y.AsVector()));

        void Work()
        {
            attempts++;
            Elementwise.Axpby(stream, 1, ones, 1, x);
            if (waits)
            {
                stream.Synchronize();
            }
            else if (attempts == 2)
            {
                _ = device.Allocate(1L << 40);
            }
        }
    }

    private static float[] Steps(bool graphs, bool planted, out long replays)
    {
        using Device device = TestDevice.OpenCudaHost(new DeviceOptions { Graphs = graphs });
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<float>[] vectors = [.. Enumerable.Range(0, 3).Select(_ => arena.Vector<float>(Length))];
        for (ulong i = 0; i < 3; i++)
        {
            stream.Upload<float>(TestData.Uniform(Length, i), vectors[i]);
        }

        var numbers = new StepNumbers(stream, arena, 1);
        double rate = 0;
        using var recorder = new StepRecorder(stream, () => ParameterUpdate.Momentum(
            stream,
            new MomentumStep((float)rate, 0.9f, 0, Nesterov: false),
            vectors[0],
            vectors[1],
            vectors[2],
            planted ? default : numbers.OnDevice(0, 1)));
        for (int step = 1; step <= 6; step++)
        {
            rate = 0.1 / step;
            numbers[0] = rate;
            numbers.Upload();
            recorder.Run(1);
        }

        replays = recorder.Replays;
        var values = new float[Length];
        stream.Download(vectors[2], values);
        return values;
    }
}
