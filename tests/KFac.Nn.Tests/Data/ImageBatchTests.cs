using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class ImageBatchTests
{
    [Fact]
    public void Puts_the_named_images_on_the_device()
    {
        using Device device = TestDevice.OpenDefault();
        var images = new ImageSet(1, 2, new byte[] { 0, 51, 102, 153, 204, 255 }, new byte[] { 7, 8, 9 });
        using var batch = new ImageBatch(device.DefaultStream, 3, 2);
        batch.Fill(images, [2, 0]);
        Assert.Equal([204 / 255f, 1f, 0f, 51 / 255f], Read(device, batch.Inputs));
        var labels = new int[2];
        device.DefaultStream.Download(batch.Labels, labels);
        Assert.Equal([9, 7], labels);
        batch.Fill(images, 1, 1);
        Assert.Equal([102 / 255f, 153 / 255f], Read(device, batch.Inputs));
    }

    [Fact]
    public void Filling_allocates_nothing()
    {
        using Device device = TestDevice.OpenDefault();
        ImageSet images = GlyphImages.Make(40, 1);
        using var batch = new ImageBatch(device.DefaultStream, 20, images.PixelCount);
        var order = new BatchOrder(40, 20, 1);
        batch.Fill(images, order.Next());
        long before = GC.GetAllocatedBytesForCurrentThread();
        batch.Fill(images, order.Next());
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Refuses_images_of_another_size_and_too_many()
    {
        using Device device = TestDevice.OpenDefault();
        using var batch = new ImageBatch(device.DefaultStream, 2, 4);
        ImageSet images = GlyphImages.Make(5, 1);
        Assert.Contains("784 pixels; wanted 4", Assert.Throws<ArgumentException>(() => batch.Fill(images, 0, 1)).Message, StringComparison.Ordinal);
        using var wide = new ImageBatch(device.DefaultStream, 2, 784);
        Assert.Throws<ArgumentOutOfRangeException>(() => wide.Fill(images, 0, 3));
    }

    [Fact]
    public void Refuses_pixels_and_labels_that_do_not_belong_together() =>
        Assert.Contains("wanted 12 for 3 labels of 1×2×2", Assert.Throws<ArgumentException>(() => new ImageSet(2, 2, new byte[11], new byte[3])).Message, StringComparison.Ordinal);

    private static float[] Read(Device device, MatrixView<float> view)
    {
        var values = new float[view.Rows * view.Columns];
        device.DefaultStream.Download(view, values);
        return values;
    }
}
