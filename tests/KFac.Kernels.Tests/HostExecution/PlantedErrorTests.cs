using System.Runtime.InteropServices;
using KFac.Kernels.Cuda;
using KFac.Testing.HostExecution;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Host execution notices what it promises to notice: a kernel with one mistake for each.</summary>
public sealed class PlantedErrorTests
{
    private const int Threads = 64;

    [SkippableTheory]
    [InlineData("writes_beyond_global", "heap-buffer-overflow")]
    [InlineData("reads_before_global", "heap-buffer-overflow")]
    [InlineData("reads_beyond_static_shared", "global-buffer-overflow")]
    [InlineData("writes_beyond_dynamic_shared", "heap-buffer-overflow")]
    [InlineData("lacks_a_barrier", "depends on the order in which threads run")]
    [InlineData("lacks_a_barrier_between_uses", "depends on the order in which threads run")]
    [InlineData("blocks_write_one_place", "depends on the order in which threads run")]
    [InlineData("half_reach_a_barrier", "; thread 16 has returned")]
    [InlineData("halves_at_two_barriers", "divergent barrier")]
    [InlineData("shuffles_outside_its_mask", "which calls it")]
    [InlineData("shuffles_without_a_lane", "thread 5 has returned")]
    [InlineData("reads_a_lane_outside_its_mask", "reads lane 20, which its mask 0x0000ffff does not name")]
    [InlineData("copies_over_what_is_read", "depends on the order in which threads run")]
    [InlineData("reads_a_misaligned_vector", "misaligned address")]
    [InlineData("overflows_an_index", "signed integer overflow")]
    public void The_error_names_the_kernel_and_what_it_did(string kernel, string what)
    {
        using var kernels = new HostKernels();
        var arguments = new PlantedArguments(kernels.Allocate(new float[Threads]), Threads);
        HostExecutionException error = Assert.Throws<HostExecutionException>(
            () => kernels.Launch("planted", kernel, LaunchShape.Row(2, Threads, Threads * sizeof(float)), arguments));
        Assert.Contains($"kernel {kernel}", error.Message, StringComparison.Ordinal);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("reads_shared_unwritten")]
    [InlineData("lacks_a_wait")]
    public void Shared_memory_that_was_not_written_is_NaN(string kernel)
    {
        using var kernels = new HostKernels();
        nint x = kernels.Allocate(new float[Threads]);
        kernels.Launch("planted", kernel, LaunchShape.Row(1, Threads, Threads * sizeof(float)), new PlantedArguments(x, Threads));
        Assert.Contains(float.NaN, kernels.Read(x, Threads));
    }

    [SkippableFact]
    public void The_place_is_named_to_the_thread()
    {
        using var kernels = new HostKernels();
        var arguments = new PlantedArguments(kernels.Allocate(new float[Threads]), Threads);
        HostExecutionException error = Assert.Throws<HostExecutionException>(
            () => kernels.Launch("planted", "writes_beyond_dynamic_shared", LaunchShape.Row(1, Threads, Threads * sizeof(float)), arguments));
        Assert.Contains("block (0, 0, 0), thread (63, 0, 0)", error.Message, StringComparison.Ordinal);
        Assert.Contains(" in writes_beyond_dynamic_shared", error.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Memory_that_was_freed_is_not_read()
    {
        using var kernels = new HostKernels();
        nint x = kernels.Allocate(new float[Threads]);
        kernels.Free(x);
        Refuses(kernels, "nothing_wrong", Threads, new PlantedArguments(x, Threads), "heap-use-after-free");
    }

    [SkippableFact]
    public void A_kernel_that_never_returns_is_stopped()
    {
        using var kernels = new HostKernels(longestSeconds: 1);
        Refuses(kernels, "never_returns", 1, new PlantedArguments(kernels.Allocate(new float[1]), 1), "runs for too long");
    }

    [SkippableFact]
    public void A_launch_that_does_not_fit_its_kernel_is_refused()
    {
        using (var kernels = new HostKernels())
        {
            Refuses(kernels, "no_such_kernel", Threads, default(PlantedArguments), "there is no kernel 'planted no_such_kernel'");
        }

        using (var kernels = new HostKernels())
        {
            Refuses(kernels, "nothing_wrong", Threads, 1L, "takes PlantedArguments of 16 bytes, was given 8");
        }

        using (var kernels = new HostKernels())
        {
            Refuses(kernels, "nothing_wrong", Threads + 1, default(PlantedArguments), "65 threads a block; wanted 1 to 64");
        }

        using (var kernels = new HostKernels())
        {
            var shape = LaunchShape.Row(1, Threads, HostRuntime.Ampere.SharedBytesPerBlock + 1);
            HostExecutionException refused = Assert.Throws<HostExecutionException>(
                () => kernels.Launch("planted", "nothing_wrong", shape, default(PlantedArguments)));
            Assert.Contains("bytes of shared memory", refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(4096, StaticSharedMemory.Bytes("gram_reduce", "gram_reduce_aligned"));
    }

    [SkippableFact]
    public void After_an_error_everything_is_refused()
    {
        using var kernels = new HostKernels();
        nint x = kernels.Allocate(new float[Threads]);
        Refuses(kernels, "writes_beyond_global", Threads, new PlantedArguments(x, Threads), "heap-buffer-overflow");
        Refuses(kernels, "nothing_wrong", Threads, new PlantedArguments(x, Threads), "heap-buffer-overflow");
    }

    [SkippableFact]
    public void A_kernel_without_mistakes_passes()
    {
        using var kernels = new HostKernels();
        nint x = kernels.Allocate(new float[Threads]);
        kernels.Launch("planted", "nothing_wrong", LaunchShape.Row(1, Threads), new PlantedArguments(x, Threads));
        Assert.Equal(Enumerable.Range(0, Threads).Select(static i => 63f - i), kernels.Read(x, Threads));
    }

    private static void Refuses<T>(HostKernels kernels, string kernel, int threads, T arguments, string what)
        where T : unmanaged
    {
        HostExecutionException error = Assert.Throws<HostExecutionException>(
            () => kernels.Launch("planted", kernel, LaunchShape.Row(1, threads), arguments));
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct PlantedArguments(nint x, int n)
    {
        public readonly nint X = x;
        public readonly int N = n;
    }
}
