using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>Input factors of layers that hand over images instead of patches.</summary>
public sealed class ConvolutionFactorTests : IDisposable
{
    private static readonly ConvolutionShape s_shape = new() { Channels = 3, Height = 5, Width = 4, KernelHeight = 3, KernelWidth = 2, Padding = 1 };

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly Arena _arena;

    public ConvolutionFactorTests() => _arena = new Arena(_device);

    private DeviceStream Stream => _device.DefaultStream;

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Theory]
    [InlineData(3, 1, 1, 1)]
    [InlineData(16, 2, 1, 1)]
    [InlineData(9, 1, 0, 2)]
    public void Agrees_with_patches_in_float64(int channels, int stride, int padding, int dilation)
    {
        ConvolutionShape shape = s_shape with { Channels = channels, Stride = stride, Padding = padding, Dilation = dilation };
        const int Images = 4;
        const int Group = 1;

        // A group of a grouped convolution: some columns of a wider matrix.
        float[] values = TestData.Uniform(Images * shape.Pixels * 3 * channels, 1);
        MatrixView<float> all = _arena.Upload(Images * shape.Pixels, 3 * channels, values);
        var rows = LayerRows.OfImages(all.Slice(0, Group * channels, all.Rows, channels), shape);
        Assert.Equal((Images, shape.Positions), (rows.Examples, rows.Sharing));
        foreach (SharingApproximation approximation in Enum.GetValues<SharingApproximation>())
        {
            foreach (bool hasBias in new[] { false, true })
            {
                int width = shape.PatchWidth + (hasBias ? 1 : 0);
                MatrixView<float> factor = _arena.Upload(width, width, Enumerable.Repeat(float.NaN, width * width).ToArray());
                FactorMath.InputFactor(Stream, rows, approximation, hasBias, factor);
                AssertClose(factor, Images, shape, approximation, hasBias, PixelAt);
            }
        }

        double PixelAt(int image, int channel, int pixel) =>
            values[(((image * shape.Pixels) + pixel) * 3 * channels) + (Group * channels) + channel];
    }

    [Theory]
    [InlineData(SharingApproximation.Expand, 0)]
    [InlineData(SharingApproximation.Expand, 0.9)]
    [InlineData(SharingApproximation.Reduce, 0)]
    [InlineData(SharingApproximation.Reduce, 0.9)]
    public void A_layer_hands_over_images_twice_in_a_pass(SharingApproximation approximation, double movingAverage)
    {
        int pixels = s_shape.Pixels;
        float[] values = TestData.Uniform(5 * pixels * s_shape.Channels, 1);
        MatrixView<float> all = _arena.Upload(5 * pixels, s_shape.Channels, values);
        var model = new FakeModel(new KroneckerLayer("convolution", s_shape.PatchWidth, 2, HasBias: true)) { LossTerms = 5 };
        model.Inputs[0] = [LayerRows.OfImages(all.RowRange(0, 2 * pixels), s_shape), LayerRows.OfImages(all.RowRange(2 * pixels, 3 * pixels), s_shape)];
        model.Gradients[0] = [FakeModel.Rows(Stream, _arena, 5, s_shape.Positions, 1, 2, 3)];
        var options = new FactorOptions { MovingAverage = movingAverage, Kind = CurvatureKind.Exact, Approximation = approximation };
        using var factors = new KroneckerFactors(_device, model, options);

        factors.Update(new PhiloxKey(1, 2));

        AssertClose(factors.Pairs[0].A, 5, s_shape, approximation, true, (image, channel, pixel) =>
            values[(((image * pixels) + pixel) * s_shape.Channels) + channel]);
    }

    [Fact]
    public void A_nan_among_the_pixels_names_the_layer_and_changes_no_factor()
    {
        MatrixView<float> pixels = _arena.Upload(s_shape.Pixels, 3, TestData.Uniform(s_shape.Pixels * 3, 1));
        var model = new FakeModel(new KroneckerLayer("convolution", s_shape.PatchWidth, 2, HasBias: false));
        model.Inputs[0] = [LayerRows.OfImages(pixels, s_shape)];
        model.Gradients[0] = [FakeModel.Rows(Stream, _arena, 1, s_shape.Positions, 1, 2, 3)];
        using var factors = new KroneckerFactors(_device, model, new FactorOptions());
        factors.Update(new PhiloxKey(1, 2));
        float[] before = _device.Read(factors.Pairs[0].A);

        Elementwise.Fill(Stream, float.NaN, pixels.Slice(7, 1, 1, 1));
        NonFiniteCaptureException exception = Assert.Throws<NonFiniteCaptureException>(() => factors.Update(new PhiloxKey(1, 2)));

        Assert.Equal(("convolution", 7, 1), (exception.Layer, exception.Row, exception.Column));
        Assert.Equal(before, _device.Read(factors.Pairs[0].A));
    }

    [Fact]
    public void Images_that_do_not_fit_are_refused()
    {
        MatrixView<float> pixels = _arena.Matrix<float>(2 * s_shape.Pixels, 3);
        var rows = LayerRows.OfImages(pixels, s_shape);
        SegmentOffsets segments = SegmentOffsets.FromOffsets(Stream, _arena, [0, 20, 40]);
        (Func<LayerRows> Rows, string Message)[] refused =
        [
            (() => LayerRows.OfImages(pixels.RowRange(0, 21), s_shape), "wanted 20×3"),
            (() => LayerRows.OfImages(pixels.Slice(0, 0, pixels.Rows, 2), s_shape), "wanted 40×3"),
            (() => LayerRows.OfImages(pixels, s_shape with { Channels = 6, Groups = 2 }), "wanted one group"),
            (() => LayerRows.OfImages(pixels, s_shape with { KernelHeight = 9 }), "wanted the kernel to fit"),
            (() => rows with { Seeds = 2 }, "wanted one group, one seed"),
            (() => rows with { Sharing = 0, Segments = segments }, "no segments"),
            (() => rows with { Sharing = 20 }, "a sharing of the"),
        ];
        MatrixView<float> factor = _arena.Upload(18, 18, new float[18 * 18]);
        foreach ((Func<LayerRows> given, string message) in refused)
        {
            ArgumentException exception = Assert.Throws<ArgumentException>(
                () => FactorMath.InputFactor(Stream, given(), SharingApproximation.Expand, false, factor));
            Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        }

        Assert.Throws<ArgumentException>(() => FactorMath.OutputFactor(Stream, rows, SharingApproximation.Expand, factor));
        var narrow = new FakeModel(new KroneckerLayer("narrow", 17, 2, HasBias: false));
        narrow.Inputs[0] = [rows];
        narrow.Gradients[0] = [FakeModel.Rows(Stream, _arena, 2, s_shape.Positions, 1, 2, 3)];
        using var factors = new KroneckerFactors(_device, narrow, new FactorOptions());
        Assert.Contains("patches of 17 elements", Assert.Throws<ArgumentException>(() => factors.Update(new PhiloxKey(1, 2))).Message, StringComparison.Ordinal);
        Assert.Equal(new float[18 * 18], _device.Read(factor));
    }

    private void AssertClose(
        MatrixView<float> factor, int images, ConvolutionShape shape, SharingApproximation approximation, bool hasBias, Func<int, int, int, double> pixelAt)
    {
        var geometry = new ConvolutionGramReference.Geometry(
            shape.Channels, shape.Height, shape.Width, shape.KernelHeight, shape.KernelWidth, shape.Stride, shape.Padding, shape.Dilation);
        double[] channelsFirst = new double[images * shape.ImageElements];
        for (int i = 0; i < channelsFirst.Length; i++)
        {
            channelsFirst[i] = pixelAt(i / shape.ImageElements, i / shape.Pixels % shape.Channels, i % shape.Pixels);
        }

        double[] patches = ConvolutionGramReference.Patches(channelsFirst, images, geometry);
        int[] offsets = [.. Enumerable.Range(0, images + 1).Select(n => n * shape.Positions)];
        var reference = new Reference.KroneckerFactors(offsets, false, approximation == SharingApproximation.Reduce);
        double[] expected = reference.Input(patches, shape.PatchWidth, hasBias);
        double[] magnitude = reference.Input(Array.ConvertAll(patches, Math.Abs), shape.PatchWidth, hasBias);
        double gamma = ErrorBound.Gamma((images * shape.Positions) + 9 + (2 * (shape.Positions + 1)));
        ErrorBound.AssertWithinAndSharp(
            _device.Read(factor), expected, Array.ConvertAll(magnitude, value => gamma * value), $"A {shape} {approximation} bias={hasBias}");
    }
}
