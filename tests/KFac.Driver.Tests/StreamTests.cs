using KFac.Kernels;
using KFac.Kernels.Cuda;
using Xunit;

namespace KFac.Driver.Tests;

/// <summary>Copies, kernels, recorded graphs and times.</summary>
public sealed class StreamTests
{
    public StreamTests() => FakeDriver.Reset();

    [SkippableTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(StagingBuffers.BlockBytes)]
    [InlineData(StagingBuffers.BlockBytes + 1)]
    [InlineData((5 * StagingBuffers.BlockBytes) + 12345)]
    public void Copies_of_any_size_arrive(int bytes)
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            byte[] values = Bytes(bytes, 1);
            VectorView<byte> view = arena.Vector<byte>(bytes);
            byte[] source = [.. values];
            device.DefaultStream.Upload<byte>(source, view);
            Array.Clear(source);
            var back = new byte[bytes];
            device.DefaultStream.Download<byte>(view, back);
            Assert.Equal(values, back);
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Many_small_copies_do_not_overtake_each_other()
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            const int Count = 40;
            const int Length = 300_001;
            VectorView<byte>[] views = [.. Enumerable.Range(0, Count).Select(_ => arena.Vector<byte>(Length))];
            for (int i = 0; i < Count; i++)
            {
                device.DefaultStream.Upload<byte>(Bytes(Length, i), views[i]);
            }

            var back = new byte[Length];
            for (int i = 0; i < Count; i++)
            {
                device.DefaultStream.Download<byte>(views[i], back);
                Assert.Equal(Bytes(Length, i), back);
            }
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Small_copies_wait_for_nothing()
    {
        using Device device = Device.Open("cuda");
        using var arena = new Arena(device);
        VectorView<float> view = arena.Vector<float>(1000);
        device.DefaultStream.Upload<float>(new float[1000], view);
        int before = FakeDriver.Calls.Length;
        for (int i = 0; i < 100; i++)
        {
            device.DefaultStream.Upload<float>(new float[1000], view);
        }

        Assert.DoesNotContain(FakeDriver.Calls.Skip(before), static call => call.Contains("Synchronize", StringComparison.Ordinal));
    }

    [SkippableFact]
    public void A_kernel_gets_its_arguments_and_the_shared_memory_of_the_gpu()
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            MatrixView<float> matrix = arena.Matrix<float>(3, 5);
            Elementwise.Fill(device.DefaultStream, 7, matrix);
            Elementwise.Fill(device.DefaultStream, 2, matrix.Slice(1, 1, 2, 3));
            var back = new float[15];
            device.DefaultStream.Download(matrix, back);
            Assert.Equal([7, 7, 7, 7, 7, 7, 2, 2, 2, 7, 7, 2, 2, 2, 7], back);
            Assert.Single(FakeDriver.Calls, static call => call == "cuModuleLoadDataEx");
            Assert.Single(FakeDriver.Calls, static call => call == "cuFuncSetAttribute");
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void A_kernel_with_dynamic_shared_memory_gets_it_before_the_cache()
    {
        using Device device = Device.Open("cuda");
        GpuQueue queue = ((CudaStream)device.DefaultStream).Queue;
        queue.Launch("gemm", "gemm_split_nn_large", LaunchShape.Row(1, 256, 96 * 1024), default(GemmKernelArguments));
        Assert.Equal(2, FakeDriver.Calls.Count(static call => call == "cuFuncSetAttribute"));
    }

    [SkippableFact]
    public void A_kernel_that_does_not_compile_shows_the_log()
    {
        using Device device = Device.Open("cuda");
        using var arena = new Arena(device);
        MatrixView<float> matrix = arena.Matrix<float>(1, 1);
        FakeDriver.Fail("cuModuleLoadDataEx", code: 218);
        var error = Assert.Throws<DriverException>(() => Elementwise.Fill(device.DefaultStream, 7, matrix));
        Assert.Equal(
            "cuModuleLoadDataEx failed with error 218 (unknown to this driver): elementwise.sm_80: ptxas error: line 7: planted", error.Message);
    }

    [SkippableFact]
    public void A_missing_kernel_is_named()
    {
        using Device device = Device.Open("cuda");
        GpuQueue queue = ((CudaStream)device.DefaultStream).Queue;
        var error = Assert.Throws<InvalidOperationException>(() => queue.Launch("elementwise", "nothing", LaunchShape.Row(1, 32), 0));
        Assert.Contains("no kernel nothing in elementwise.cu", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => queue.Launch("nothing", "fill", LaunchShape.Row(1, 32), 0));
    }

    [SkippableFact]
    public unsafe void A_tensor_map_says_what_lies_in_memory()
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            GpuRuntime runtime = ((CudaDevice)device).Runtime;
            var address = (nint)arena.Matrix<float>(64, 64).Pointer;
            TensorMap map = runtime.EncodeTensorMap(new TensorMapShape(address, 60, 20, 64, 3, 21 * 64, BoxRows: 128));
            Assert.Equal([(ulong)address, 60, 20, 3, 256, 21 * 256, 32, 128, 1], ((ReadOnlySpan<ulong>)map)[..9].ToArray());

            var refused = new TensorMapShape(address, 60, 20, 65, 1, 0, BoxRows: 128);
            Assert.False(TensorMapShape.Fits(refused.Address, refused.RowStride, refused.Matrices, refused.MatrixStride));
            var error = Assert.Throws<DriverException>(() => runtime.EncodeTensorMap(refused));
            Assert.StartsWith("cuTensorMapEncodeTiled failed with CUDA_ERROR_INVALID_VALUE", error.Message, StringComparison.Ordinal);
            Assert.Contains("RowStride = 65", error.Message, StringComparison.Ordinal);
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableTheory]
    [InlineData("cuLaunchKernel", 700, "cuLaunchKernel failed with CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered): fill of elementwise.cu")]
    [InlineData("cuStreamSynchronize", 700, "cuStreamSynchronize failed with CUDA_ERROR_ILLEGAL_ADDRESS")]
    [InlineData("cuMemcpyHtoDAsync_v2", 1, "cuMemcpyHtoDAsync failed with CUDA_ERROR_INVALID_VALUE")]
    public void A_failed_call_is_named_with_its_error(string call, int code, string message)
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            MatrixView<float> matrix = arena.Matrix<float>(2, 2);
            FakeDriver.Fail(call, code);
            var error = Assert.Throws<DriverException>(() =>
            {
                device.DefaultStream.Upload<float>(new float[4], matrix);
                Elementwise.Fill(device.DefaultStream, 1, matrix);
                device.DefaultStream.Synchronize();
            });
            Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Recorded_work_is_one_launch_and_takes_new_arguments()
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            DeviceStream stream = device.DefaultStream;
            MatrixView<float> x = arena.Matrix<float>(1, 2);
            Elementwise.Fill(stream, 1, x);
            RecordedWork first = stream.Record(() => Elementwise.Fill(stream, 2, x));
            Assert.Equal(1, stream.Read(x.Row(0)));
            stream.Replay(first);
            Assert.Equal(2, stream.Read(x.Row(0)));

            RecordedWork second = stream.Record(() => Elementwise.Fill(stream, 3, x), first);
            stream.Replay(second);
            Assert.Equal(3, stream.Read(x.Row(0)));
            Assert.Equal(1, FakeDriver.Alive("executable"));

            using RecordedWork third = stream.Record(
                () =>
                {
                    Elementwise.Fill(stream, 4, x.Slice(0, 0, 1, 1));
                    Elementwise.Fill(stream, 5, x.Slice(0, 1, 1, 1));
                },
                second);
            stream.Replay(third);
            Assert.Equal((4, 5), (stream.Read(x.Row(0)), stream.Read(x.Row(0), 1)));
            Assert.Equal((1, 0), (FakeDriver.Alive("executable"), FakeDriver.Alive("graph")));
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Work_that_cannot_be_recorded_is_refused_and_the_stream_goes_on()
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            DeviceStream stream = device.DefaultStream;
            MatrixView<float> x = arena.Matrix<float>(1, 2);
            Action[] refused = [stream.Synchronize, () => stream.Upload<float>([1, 2], x), () => stream.Read(x.Row(0)), () => stream.Record(() => { })];
            foreach (Action work in refused)
            {
                Assert.Throws<InvalidOperationException>(() => stream.Record(work));
            }

            stream.Upload<float>([1, 2], x);
            Assert.Equal(2, stream.Read(x.Row(0), 1));
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Memory_given_back_while_work_is_recorded_is_kept_until_the_end()
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            DeviceStream stream = device.DefaultStream;
            MatrixView<float> x = arena.Matrix<float>(1, 2);
            DeviceBuffer buffer = device.Allocate(64);
            using RecordedWork work = stream.Record(() =>
            {
                Elementwise.Fill(stream, 4, x);
                buffer.Dispose();
                Assert.DoesNotContain("cuMemFreeAsync", FakeDriver.Calls);
            });
            Assert.Contains("cuMemFreeAsync", FakeDriver.Calls);
            stream.Replay(work);
            Assert.Equal(4, stream.Read(x.Row(0)));
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Work_is_timed_by_events()
    {
        using (Device device = Device.Open("cuda"))
        using (var arena = new Arena(device))
        {
            MatrixView<float> x = arena.Matrix<float>(1, 2);
            Assert.Equal(2.5e-3, device.DefaultStream.Time(() => Elementwise.Fill(device.DefaultStream, 2, x)), 1e-9);
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Calls_leave_the_callers_context_current()
    {
        using Device device = Device.Open("cuda");
        using var arena = new Arena(device);
        Elementwise.Fill(device.DefaultStream, 7, arena.Matrix<float>(1, 1));
        device.DefaultStream.Synchronize();
        Assert.Equal(0, FakeDriver.ContextDepth);
    }

    [SkippableFact]
    public void Streams_may_outlive_their_device()
    {
        Device device = Device.Open("cuda");
        DeviceStream stream = device.CreateStream();
        device.Dispose();
        stream.Dispose();
        stream.Dispose();
        FakeDriver.AssertCleanEnd();
        Assert.Throws<ObjectDisposedException>(stream.Synchronize);
    }

    private static byte[] Bytes(int length, int seed) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 31) + (i >> 8) + seed))];
}
