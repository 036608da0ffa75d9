using System.Runtime.InteropServices;
using KFac.Kernels.Cuda;
using KFac.Testing;
using KFac.Testing.HostExecution;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>What stands on the host for bulk copies, barriers in shared memory and warpgroup products: that it does what PTX says of
/// them, and that it notices each way to use them wrongly.</summary>
public sealed class BulkCopyTests
{
    private const int Side = 32;

    [SkippableFact]
    public void Boxes_come_swizzled_with_zeros_beyond_the_matrix()
    {
        float[] x = TestData.Uniform(Side * Side, 1);
        using var kernels = new HostKernels();
        float[] result = kernels.Read(Launch(kernels, "copies_two_boxes", x), 256);
        for (int i = 0; i < result.Length; i++)
        {
            int row = i % 128 / Side, column = ((i % Side / 4) ^ row) * 4 + (i % 4);
            int from = (i < 128 ? 8 : 28) + row;
            Assert.Equal(2 * x[(from * Side) + column], result[i]);
        }
    }

    [SkippableFact]
    public void A_product_of_ones()
    {
        using var kernels = new HostKernels();
        Assert.Equal(Enumerable.Repeat(8f, Side * Side), kernels.Read(Launch(kernels, "waits_for_its_products", new float[Side * Side]), Side * Side));
    }

    [SkippableTheory]
    [InlineData("lacks_the_wait_for_a_box")]
    [InlineData("copies_over_a_box_that_is_read")]
    [InlineData("reads_sums_too_early")]
    [InlineData("changes_a_factor_too_early")]
    public void What_is_under_way_is_NaN_or_depends_on_the_order(string kernel)
    {
        using var kernels = new HostKernels();
        try
        {
            Assert.Contains(float.NaN, kernels.Read(Launch(kernels, kernel, new float[Side * Side]), Side * Side));
        }
        catch (HostExecutionException error)
        {
            Assert.Contains("depends on the order in which threads run", error.Message, StringComparison.Ordinal);
        }
    }

    [SkippableTheory]
    [InlineData("announces_too_many_bytes", "waits in wait_barrier at planted_bulk.cu:", "for 0 more arrivals and 128 more bytes")]
    [InlineData("announces_too_few_bytes", "waits in wait_barrier", "128 bytes more came than were announced")]
    [InlineData("lacks_an_arrival", "waits in wait_barrier", "for 1 more arrivals and 0 more bytes")]
    [InlineData("uses_a_barrier_before_it_is_made", "that was not initialised", "")]
    [InlineData("ends_while_a_copy_is_under_way", "the block ends while 1 bulk copies are under way", "")]
    [InlineData("copies_to_an_odd_place", "wanted a multiple of 1024", "")]
    [InlineData("copies_by_no_map", "what is no tensor map", "")]
    public void The_error_names_the_kernel_and_what_it_did(string kernel, string what, string more)
    {
        using var kernels = new HostKernels();
        HostExecutionException error = Assert.Throws<HostExecutionException>(() => Launch(kernels, kernel, new float[Side * Side]));
        Assert.Contains($"kernel {kernel}", error.Message, StringComparison.Ordinal);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
        Assert.Contains(more, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Runs a kernel on a 32×32 matrix and gives its address.</summary>
    private static nint Launch(HostKernels kernels, string kernel, float[] values)
    {
        nint x = kernels.Allocate(values);
        var map = new TensorMapShape(x, Side, Side, Side, 1, 0, BoxRows: 8);
        kernels.Launch("planted_bulk", kernel, LaunchShape.Row(1, 128), new PlantedBulkArguments(kernels.Encode(map), x));
        return x;
    }

    [StructLayout(LayoutKind.Sequential, Size = 192)]
    private readonly struct PlantedBulkArguments(TensorMap map, nint x)
    {
        public readonly TensorMap Map = map;
        public readonly nint X = x;
    }
}
