using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class ConvolutionGramTests
{
    private static readonly (float Alpha, float Beta)[] s_scalars = [(1, 0), (0.25f, 1), (-0.75f, 0.5f), (2, 0), (0, 0.5f)];
    private static readonly SharingScale?[] s_settings = [null, SharingScale.Mean, null, SharingScale.Sum, null, SharingScale.InverseSquareRoot];

    public static TheoryData<string, ConvolutionLayout> DevicesAndLayouts()
    {
        var data = new TheoryData<string, ConvolutionLayout>();
        foreach (string key in TestDevice.Keys)
        {
            data.Add(key, ConvolutionLayout.ChannelsFirst);
            data.Add(key, ConvolutionLayout.ChannelsLast);
        }

        return data;
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(DevicesAndLayouts))]
    public void Agrees_with_patches_in_float64_over_kernels_strides_padding_and_dilation(string key, ConvolutionLayout layout)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        (int Height, int Width)[] images = [(1, 1), (2, 5), (5, 4), (7, 9), (6, 3)];
        (int Height, int Width)[] kernels = [(1, 1), (2, 2), (3, 3), (5, 5), (3, 1), (2, 4), (4, 3)];
        int checks = 0;
        foreach ((int height, int width) in images)
        {
            foreach ((int kernelHeight, int kernelWidth) in kernels)
            {
                for (int variant = 0; variant < 3 * 2 * 4; variant++)
                {
                    int padding = variant / 6 * Math.Max(kernelHeight, kernelWidth) / 3;
                    var shape = new ConvolutionShape
                    {
                        Channels = checks % 2 == 0 ? 1 + (checks % 3) : 8 + (checks % 3),
                        Height = height,
                        Width = width,
                        KernelHeight = kernelHeight,
                        KernelWidth = kernelWidth,
                        Stride = 1 + (variant % 3),
                        Dilation = 1 + (variant / 3 % 2),
                        Padding = padding,
                    };
                    if (Fits(shape))
                    {
                        Sweep(checks++, shape, checks % 4).Check(device, arena, layout);
                        arena.Reset();
                    }
                }
            }
        }

        Assert.True(checks > 300);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(DevicesAndLayouts))]
    public void Agrees_with_patches_in_float64_over_channels_at_tile_edges(string key, ConvolutionLayout layout)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[] channels = [11, 12, 13, 16, 17, 24, 31, 47, 48, 49, 65, 97];
        for (int i = 0; i < channels.Length * 2; i++)
        {
            var shape = new ConvolutionShape
            {
                Channels = channels[i / 2],
                Height = 5,
                Width = 6,
                KernelHeight = 2,
                KernelWidth = 2,
                Padding = 1,
                Stride = 1 + (i / 2 % 2),
            };
            Sweep(i, shape, 3).Check(device, arena, layout);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(DevicesAndLayouts))]
    public void Agrees_with_patches_in_float64_across_batches_blocks_of_pixels_and_bands_of_channels(string key, ConvolutionLayout layout)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        var large = new ConvolutionShape { Channels = 5, Height = 21, Width = 19, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
        new Case(large, null, true, 0.5f, 0.5f, 7).Check(device, arena, layout);
        new Case(large, SharingScale.Mean, true, 0.5f, 0.5f, 7).Check(device, arena, layout);
        new Case(large with { Channels = 9 }, null, true, 0.5f, 0.5f, 7).Check(device, arena, layout);
        var batches = new ConvolutionShape { Channels = 9, Height = 250, Width = 300, KernelHeight = 3, KernelWidth = 3, Padding = 1, Stride = 3 };
        new Case(batches, null, false, 0.5f, -1, 2).Check(device, arena, layout);
        var line = new ConvolutionShape { Channels = 2, Height = 2, Width = 700, KernelHeight = 2, KernelWidth = 19, Padding = 2, Stride = 2 };
        new Case(line, null, true, 0.5f, 0, 2).Check(device, arena, layout);
        new Case(line with { Channels = 8, KernelWidth = 5 }, null, true, 0.5f, 0, 2).Check(device, arena, layout);

        // Few channels: as many elements as are taken one after the other, and one more.
        var few = new ConvolutionShape { Channels = 4, Height = 31, Width = 45, KernelHeight = 4, KernelWidth = 5, Padding = 2, Stride = 2, Dilation = 3 };
        new Case(few, null, false, 0.5f, 0.5f, 3).Check(device, arena, layout);
        new Case(few, null, true, 0.5f, 0, 3).Check(device, arena, layout);
        new Case(few with { Dilation = 1, Stride = 3 }, null, true, 0.5f, 0, 3).Check(device, arena, layout);
        new Case(few with { Channels = 7, KernelHeight = 3, KernelWidth = 3, Dilation = 1, Stride = 1 }, null, true, 0.5f, 0, 3).Check(device, arena, layout);
        var wide = new ConvolutionShape { Channels = 193, Height = 3, Width = 2, KernelHeight = 1, KernelWidth = 2, Padding = 1 };
        new Case(wide, null, false, 1, 0, 2).Check(device, arena, layout);
        var pictures = new ConvolutionShape { Channels = 2, Height = 700, Width = 390, KernelHeight = 3, KernelWidth = 3, Padding = 1, Stride = 8 };
        new Case(pictures, null, true, 0.5f, -1, 3).Check(device, arena, layout);
        ConvolutionShape pixels = pictures with { KernelHeight = 1, KernelWidth = 1, Padding = 0, Stride = 1 };
        new Case(pixels, null, true, 0.5f, -1, 3).Check(device, arena, layout);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(DevicesAndLayouts))]
    public void Groups_are_stacked_blocks(string key, ConvolutionLayout layout)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        for (int i = 0; i < 12; i++)
        {
            var shape = new ConvolutionShape
            {
                Channels = 12,
                Height = 5,
                Width = 7,
                KernelHeight = 3,
                KernelWidth = 2,
                Padding = i % 2,
                Groups = i % 3 == 0 ? 12 : i % 3 == 1 ? 3 : 2,
            };
            Sweep(i, shape, 2).Check(device, arena, layout);
        }
    }

    [Theory]
    [InlineData(ConvolutionLayout.ChannelsFirst)]
    [InlineData(ConvolutionLayout.ChannelsLast)]
    public void Any_number_of_threads_gives_the_same_bits(ConvolutionLayout layout)
    {
        Assert.Equal(Factors(1), Factors(2));
        Assert.Equal(Factors(1), Factors(3));
        Assert.Equal(Factors(1), Factors(8));

        float[] Factors(int threads)
        {
            var shape = new ConvolutionShape { Channels = 50, Height = 32, Width = 31, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 6, shape.ImageElements)
                .Write(TestData.Uniform(6 * shape.ImageElements, 1));
            var expand = new GuardedMatrix<float>(stream, arena, 451, 451);
            var reduce = new GuardedMatrix<float>(stream, arena, 451, 451);
            var patches = new GuardedMatrix<float>(stream, arena, 450, 9);
            MatrixView<float> images = layout == ConvolutionLayout.ChannelsFirst ? x.View : x.View.AsVector().AsMatrix(6 * shape.Pixels, 50);
            ConvolutionGram.Expand(stream, images, shape, 0.3f, 0, expand.View, true, layout);
            ConvolutionGram.Reduce(stream, images, shape, SharingScale.Mean, 0.3f, 0, reduce.View, true, layout);
            ConvolutionGram.Expand(stream, images, shape with { Groups = 50 }, 0.3f, 0, patches.View, false, layout);
            return [.. expand.Read(), .. reduce.Read(), .. patches.Read()];
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(DevicesAndLayouts))]
    public void A_nan_reaches_the_elements_of_its_channel_and_no_other(string key, ConvolutionLayout layout)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var shape = new ConvolutionShape { Channels = 3, Height = 6, Width = 6, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
        float[] values = TestData.Uniform(2 * shape.ImageElements, 1);
        values[36 + 14] = float.NaN;
        GuardedMatrix<float> x = Images(stream, arena, values, shape, layout, gap: 0);
        foreach (SharingScale? setting in s_settings)
        {
            var gram = new GuardedMatrix<float>(stream, arena, 27, 27);
            Run(stream, setting, x.View, shape, 1, 0, gram.View, false, layout);
            float[] result = gram.Read();
            for (int i = 0; i < result.Length; i++)
            {
                Assert.Equal(i / 27 / 9 == 1 || i % 27 / 9 == 1, float.IsNaN(result[i]));
            }
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var shape = new ConvolutionShape { Channels = 2, Height = 3, Width = 4, KernelHeight = 2, KernelWidth = 1 };
        MatrixView<float> x = arena.Matrix<float>(3, 24);
        GuardedMatrix<float> gram = new GuardedMatrix<float>(stream, arena, 4, 4).Write(TestData.Uniform(16, 1));
        float[] before = gram.Read();
        ConvolutionShape[] refused =
        [
            shape with { Channels = 3 }, shape with { Channels = 0 }, shape with { Height = 4 }, shape with { Width = 0 },
            shape with { KernelHeight = 4 }, shape with { KernelHeight = 0 }, shape with { KernelWidth = 5 }, shape with { Stride = 0 },
            shape with { Padding = -1 }, shape with { Dilation = 3 }, shape with { Dilation = 0 }, shape with { Groups = 3 },
            shape with { Groups = 0 }, shape with { Groups = 2 }, shape with { KernelHeight = 3 }, shape with { Padding = int.MaxValue / 2 },
        ];
        foreach (ConvolutionShape bad in refused)
        {
            Assert.Throws<ArgumentException>(() => ConvolutionGram.Expand(stream, x, bad, 1, 0, gram.View));
            Assert.Throws<ArgumentException>(() => ConvolutionGram.Reduce(stream, x, bad, SharingScale.Mean, 1, 0, gram.View));
        }

        foreach ((int rows, int columns) in new[] { (24, 3), (25, 2), (3, 24) })
        {
            MatrixView<float> pixels = arena.Matrix<float>(rows, columns);
            Assert.Throws<ArgumentException>(() => ConvolutionGram.Expand(stream, pixels, shape, 1, 0, gram.View, layout: ConvolutionLayout.ChannelsLast));
            Assert.Throws<ArgumentException>(
                () => ConvolutionGram.Reduce(stream, pixels, shape, SharingScale.Mean, 1, 0, gram.View, layout: ConvolutionLayout.ChannelsLast));
        }

        Assert.Throws<ArgumentException>(() => ConvolutionGram.Expand(stream, x, shape, 1, 0, gram.View, appendOnes: true));
        Assert.Throws<ArgumentException>(() => ConvolutionGram.Expand(stream, x, shape, float.NaN, 0, gram.View));
        Assert.Throws<ArgumentException>(() => ConvolutionGram.Reduce(stream, x, shape, SharingScale.Sum, 1, float.NaN, gram.View));
        Assert.Throws<ArgumentNullException>(() => ConvolutionGram.Expand(stream, x, null!, 1, 0, gram.View));
        MatrixView<float> overlapping = arena.Matrix<float>(4, 24);
        Assert.Throws<ArgumentException>(
            () => ConvolutionGram.Expand(stream, overlapping.RowRange(0, 3), shape, 1, 0, overlapping.Slice(0, 0, 4, 4)));
        using (var scoped = new Arena(device))
        {
            MatrixView<float> stale = scoped.Matrix<float>(3, 24);
            scoped.Reset();
            Assert.Throws<InvalidOperationException>(() => ConvolutionGram.Expand(stream, stale, shape, 1, 0, gram.View));
        }

        Assert.Equal(before, gram.Read());
    }

    private static bool Fits(ConvolutionShape shape) =>
        ((shape.KernelHeight - 1) * shape.Dilation) + 1 <= shape.Height + (2 * shape.Padding)
        && ((shape.KernelWidth - 1) * shape.Dilation) + 1 <= shape.Width + (2 * shape.Padding);

    private static Case Sweep(int index, ConvolutionShape shape, int images)
    {
        (float alpha, float beta) = s_scalars[index % s_scalars.Length];
        return new Case(shape, s_settings[index % s_settings.Length], index % 7 < 3, alpha, beta, images);
    }

    /// <param name="values">[images, C·H·W].</param>
    /// <param name="gap">Elements between the rows of the matrix.</param>
    internal static GuardedMatrix<float> Images(
        DeviceStream stream, Arena arena, float[] values, ConvolutionShape shape, ConvolutionLayout layout, int gap)
    {
        if (layout == ConvolutionLayout.ChannelsFirst)
        {
            return new GuardedMatrix<float>(stream, arena, values.Length / shape.ImageElements, shape.ImageElements, gap, offset: 1).Write(values);
        }

        // At a boundary of 64 bytes, as a layer's images are: with whole cache lines of channels they are read in place.
        int pixels = values.Length / shape.Channels;
        float[] last = [.. Enumerable.Range(0, values.Length).Select(i =>
            values[(i / shape.ImageElements * shape.ImageElements) + (i % shape.Channels * shape.Pixels) + (i / shape.Channels % shape.Pixels)])];
        return new GuardedMatrix<float>(stream, arena, pixels, shape.Channels, shape.Channels % 16 == 0 ? 16 * gap : gap, offset: 13).Write(last);
    }

    private static void Run(
        DeviceStream stream, SharingScale? scale, MatrixView<float> x, ConvolutionShape shape, float alpha, float beta, MatrixView<float> gram, bool appendOnes, ConvolutionLayout layout)
    {
        if (scale is { } reduce)
        {
            ConvolutionGram.Reduce(stream, x, shape, reduce, alpha, beta, gram, appendOnes, layout);
        }
        else
        {
            ConvolutionGram.Expand(stream, x, shape, alpha, beta, gram, appendOnes, layout);
        }
    }

    /// <param name="Scale">Null for expand.</param>
    private sealed record Case(ConvolutionShape Shape, SharingScale? Scale, bool AppendOnes, float Alpha, float Beta, int Images)
    {
        private int Width => Shape.PatchWidth + (AppendOnes ? 1 : 0);

        private int Block => Width * Width;

        public void Check(Device device, Arena arena, ConvolutionLayout layout)
        {
            if (!TestDevice.Affords(device, (double)Images * Shape.Positions * Shape.Groups * Block))
            {
                return;
            }

            DeviceStream stream = device.DefaultStream;
            float[] values = TestData.Uniform(Images * Shape.ImageElements, 1);
            float[] old = OldBlocks();
            GuardedMatrix<float> x = ConvolutionGramTests.Images(stream, arena, values, Shape, layout, gap: Width % 3);
            var gram = new GuardedMatrix<float>(stream, arena, Shape.Groups * Width, Width, gap: Images % 4, offset: 2);
            if (Beta != 0)
            {
                gram.Write(PoisonUpperTriangles(old));
            }

            Run(stream, Scale, x.View, Shape, Alpha, Beta, gram.View, AppendOnes, layout);
            float[] actual = gram.Read();
            for (int group = 0; group < Shape.Groups; group++)
            {
                CheckGroup(group, values, old.AsSpan(group * Block, Block).ToArray(), actual.AsSpan(group * Block, Block).ToArray());
            }

            gram.AssertGuards();
        }

        private void CheckGroup(int group, float[] values, float[] old, float[] actual)
        {
            int channels = Shape.Channels / Shape.Groups;
            var geometry = new ConvolutionGramReference.Geometry(
                channels, Shape.Height, Shape.Width, Shape.KernelHeight, Shape.KernelWidth, Shape.Stride, Shape.Padding, Shape.Dilation);
            Assert.Equal((geometry.OutputHeight, geometry.OutputWidth), (Shape.OutputHeight, Shape.OutputWidth));
            double[] patches = ConvolutionGramReference.Patches(TestData.ToDouble(OfGroup(values, group)), Images, geometry);
            int rows = Images * Shape.Positions;
            int[] offsets = SegmentReduceReference.UniformOffsets(Scale is null ? rows : Images, Scale is null ? 1 : Shape.Positions);
            var scale = (ReferenceScale)(Scale ?? SharingScale.Sum);
            double[] old64 = TestData.ToDouble(old);
            double[] expected = GramReference.Compute(patches, Shape.PatchWidth, offsets, scale, AppendOnes, Alpha, Beta, old64);
            double[] magnitude = GramReference.Magnitude(patches, Shape.PatchWidth, offsets, scale, AppendOnes, Alpha, Beta, old64);
            double gamma = Scale is null
                ? ErrorBound.Gamma(rows + 6)
                : ErrorBound.Gamma(Images + 2) + (2 * ErrorBound.Gamma(Shape.Positions + 1));
            ErrorBound.AssertWithinAndSharp(actual, expected, Array.ConvertAll(magnitude, value => gamma * value), $"{this}, group {group}");
            for (int i = 0; i < actual.Length; i++)
            {
                Assert.Equal(actual[i], actual[(i % Width * Width) + (i / Width)]);
            }
        }

        private float[] OfGroup(float[] values, int group)
        {
            int size = Shape.ImageElements / Shape.Groups;
            return [.. Enumerable.Range(0, Images).SelectMany(n => values.Skip((n * Shape.ImageElements) + (group * size)).Take(size))];
        }

        private float[] OldBlocks()
        {
            float[] values = TestData.Uniform(Shape.Groups * Block, 3);
            return [.. values.Select((_, i) => values[(i / Block * Block) + Lower(i % Block)])];
        }

        private int Lower(int i) => (Math.Max(i / Width, i % Width) * Width) + Math.Min(i / Width, i % Width);

        private float[] PoisonUpperTriangles(float[] blocks) =>
            [.. blocks.Select((value, i) => i % Block % Width > i % Block / Width ? float.NaN : value)];
    }
}
