using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Expand over images and channels enough for the processor to go through Fourier transforms.</summary>
public class ConvolutionGramOfManyImagesTests
{
    public static TheoryData<string, ConvolutionLayout> DevicesAndLayouts() => ConvolutionGramTests.DevicesAndLayouts();

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(DevicesAndLayouts))]
    public void Agrees_with_patches_in_float64(string key, ConvolutionLayout layout)
    {
        using Device device = TestDevice.Open(key);
        (int Images, int Channels, int Height, int Width, int Kernel, int Padding, int Dilation)[] cases =
        [
            (8, 16, 8, 8, 3, 1, 1), (9, 20, 7, 9, 3, 1, 1), (8, 33, 6, 5, 3, 0, 1), (8, 17, 8, 7, 5, 2, 1), (8, 20, 9, 9, 3, 2, 2),
            (13, 49, 5, 5, 2, 1, 1), (8, 16, 4, 3, 3, 2, 1), (8, 16, 1, 16, 3, 1, 1), (8, 18, 34, 3, 3, 1, 1), (40, 16, 10, 12, 3, 1, 1),
            (8, 16, 13, 22, 4, 1, 1), (8, 65, 4, 4, 2, 0, 1),
        ];
        int index = 0;
        foreach ((int images, int channels, int height, int width, int kernel, int padding, int dilation) in cases)
        {
            var shape = new ConvolutionShape
            {
                Channels = channels,
                Height = height,
                Width = width,
                KernelHeight = Math.Min(kernel, height + (2 * padding)),
                KernelWidth = kernel,
                Padding = padding,
                Dilation = dilation,
            };
            Check(device, shape, images, layout, index++);
        }

        var groups = new ConvolutionShape { Channels = 40, Height = 5, Width = 6, KernelHeight = 3, KernelWidth = 2, Padding = 1, Groups = 2 };
        Check(device, groups, 8, layout, index);
    }

    [Theory]
    [InlineData(ConvolutionLayout.ChannelsFirst)]
    [InlineData(ConvolutionLayout.ChannelsLast)]
    public void Any_number_of_threads_gives_the_same_bits(ConvolutionLayout layout)
    {
        var shape = new ConvolutionShape { Channels = 50, Height = 9, Width = 12, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
        float[] images = Images(shape, 20);
        Assert.Equal(Factor(1), Factor(2));
        Assert.Equal(Factor(1), Factor(3));
        Assert.Equal(Factor(1), Factor(8));

        float[] Factor(int threads)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            return Run(device, arena, shape, images, layout, 0.3f, 0, null, false).Read();
        }
    }

    [Theory]
    [InlineData(ConvolutionLayout.ChannelsFirst)]
    [InlineData(ConvolutionLayout.ChannelsLast)]
    public void A_nan_reaches_the_elements_of_its_channel_and_no_other(ConvolutionLayout layout)
    {
        var shape = new ConvolutionShape { Channels = 20, Height = 6, Width = 6, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
        float[] images = Images(shape, 8);
        images[(3 * shape.Pixels) + 14] = float.NaN;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] factor = Run(device, arena, shape, images, layout, 1, 0, null, false).Read();
        for (int i = 0; i < factor.Length; i++)
        {
            Assert.Equal(i / 180 / 9 == 3 || i % 180 / 9 == 3, float.IsNaN(factor[i]));
        }
    }

    [Fact]
    public void Allocates_nothing_again()
    {
        var shape = new ConvolutionShape { Channels = 24, Height = 8, Width = 8, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
        using Device device = Device.Open("cpu", new DeviceOptions { Threads = 1 });
        using var arena = new Arena(device);
        MatrixView<float> x = arena.Matrix<float>(16 * shape.Pixels, shape.Channels);
        MatrixView<float> factor = arena.Matrix<float>(shape.PatchWidth, shape.PatchWidth);
        Elementwise.Fill(device.DefaultStream, 0.5f, x);
        Expand();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Expand();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Expand() => ConvolutionGram.Expand(device.DefaultStream, x, shape, 1, 0, factor, layout: ConvolutionLayout.ChannelsLast);
    }

    private static void Check(Device device, ConvolutionShape shape, int images, ConvolutionLayout layout, int index)
    {
        bool appendOnes = index % 3 == 1;
        int width = shape.PatchWidth + (appendOnes ? 1 : 0);
        if (!TestDevice.Affords(device, (double)images * shape.Positions * shape.Groups * width * width))
        {
            return;
        }

        using var arena = new Arena(device);
        float alpha = index % 4 == 2 ? -0.75f : 0.25f;
        float beta = index % 4 == 3 ? 0 : 0.5f;
        float[] values = Images(shape, images);
        float[] old = Symmetric(shape.Groups, width);
        GuardedMatrix<float> factor = Run(device, arena, shape, values, layout, alpha, beta, beta == 0 ? null : old, appendOnes);
        float[] actual = factor.Read();
        for (int group = 0; group < shape.Groups; group++)
        {
            Range block = (group * width * width)..((group + 1) * width * width);
            CheckGroup(shape, OfGroup(shape, values, images, group), images, appendOnes, alpha, beta, old[block], actual[block], $"{shape}, {images} images, group {group}");
        }

        factor.AssertGuards();
    }

    /// <summary>The bound of the operation's contract, and symmetry to the bit.</summary>
    private static void CheckGroup(
        ConvolutionShape shape, float[] values, int images, bool appendOnes, float alpha, float beta, float[] old, float[] actual, string what)
    {
        int channels = shape.Channels / shape.Groups;
        var geometry = new ConvolutionGramReference.Geometry(
            channels, shape.Height, shape.Width, shape.KernelHeight, shape.KernelWidth, shape.Stride, shape.Padding, shape.Dilation);
        double[] patches = ConvolutionGramReference.Patches(TestData.ToDouble(values), images, geometry);
        int rows = images * shape.Positions;
        int[] offsets = SegmentReduceReference.UniformOffsets(rows, 1);
        double[] old64 = TestData.ToDouble(old);
        double[] expected = GramReference.Compute(patches, shape.PatchWidth, offsets, ReferenceScale.Sum, appendOnes, alpha, beta, old64);
        double[] magnitude = GramReference.Magnitude(patches, shape.PatchWidth, offsets, ReferenceScale.Sum, appendOnes, alpha, beta, old64);
        double[] norms = [.. Enumerable.Range(0, channels).Select(c => Norm(shape, values, channels, c))];
        int width = shape.PatchWidth + (appendOnes ? 1 : 0);
        double[] tolerance = Array.ConvertAll(magnitude, value => ErrorBound.Gamma(rows + 6) * value);
        for (int i = 0; i < tolerance.Length; i++)
        {
            int row = i / width, column = i % width, elements = shape.KernelHeight * shape.KernelWidth;
            if (Math.Max(row, column) < shape.PatchWidth)
            {
                tolerance[i] += 27 * ErrorBound.Gamma(images + 200) * Math.Abs(alpha) * norms[row / elements] * norms[column / elements];
            }

            Assert.Equal(actual[i], actual[(column * width) + row]);
        }

        ErrorBound.AssertWithinAndSharp(actual, expected, tolerance, what);
    }

    private static double Norm(ConvolutionShape shape, float[] values, int channels, int channel) =>
        Math.Sqrt(values.Where((_, i) => i / shape.Pixels % channels == channel).Sum(static value => (double)value * value));

    private static float[] OfGroup(ConvolutionShape shape, float[] values, int images, int group)
    {
        int size = shape.ImageElements / shape.Groups;
        return [.. Enumerable.Range(0, images).SelectMany(n => values.Skip((n * shape.ImageElements) + (group * size)).Take(size))];
    }

    /// <summary>As after a rectifier, with large means, and channels of a thousandth and of a thousand times the others.</summary>
    private static float[] Images(ConvolutionShape shape, int images)
    {
        float[] values = TestData.Uniform(images * shape.ImageElements, 1);
        for (int i = 0; i < values.Length; i++)
        {
            int channel = i / shape.Pixels % shape.Channels;
            float scale = channel % 5 == 1 ? 1e-3f : channel % 5 == 3 ? 1e3f : 1;
            values[i] = channel % 5 == 4 ? values[i] : scale * Math.Max(0, values[i] + 0.5f);
        }

        return values;
    }

    private static float[] Symmetric(int blocks, int width)
    {
        float[] values = TestData.Uniform(blocks * width * width, 3);
        return [.. values.Select((_, i) =>
        {
            int row = i / width % width, column = i % width;
            return values[(i / (width * width) * width * width) + (Math.Max(row, column) * width) + Math.Min(row, column)];
        })];
    }

    private static GuardedMatrix<float> Run(
        Device device, Arena arena, ConvolutionShape shape, float[] values, ConvolutionLayout layout, float alpha, float beta, float[]? old, bool appendOnes)
    {
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> x = ConvolutionGramTests.Images(stream, arena, values, shape, layout, gap: 1);
        int width = shape.PatchWidth + (appendOnes ? 1 : 0);
        var factor = new GuardedMatrix<float>(stream, arena, shape.Groups * width, width, gap: 3, offset: 2);
        if (old is not null)
        {
            factor.Write([.. old.Select((value, i) => i % width > i / width % width ? float.NaN : value)]);
        }

        ConvolutionGram.Expand(stream, x.View, shape, alpha, beta, factor.View, appendOnes, layout);
        return factor;
    }
}
