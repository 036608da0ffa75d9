using System.Text.Json;
using KFac.Nn;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Cli.Tests;

/// <summary><c>kfac factors --conv</c> against factors of explicit patches in float64.</summary>
public sealed class FactorsOfConvolutionTests : IDisposable
{
    private const int Images = 3;
    private const int Channels = 4;
    private const int OutputChannels = 6;
    private const int Height = 6;
    private const int Width = 5;

    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Theory]
    [InlineData("expand", false, "kernel=3x3,stride=1,padding=1,dilation=1,groups=1", 3, 3, 1, 1, 1, 1)]
    [InlineData("expand", true, "kernel=3x2,stride=2", 3, 2, 2, 0, 1, 1)]
    [InlineData("reduce", true, "padding=2,dilation=2,kernel=2x3", 2, 3, 1, 2, 2, 1)]
    [InlineData("reduce", false, "kernel=1x1", 1, 1, 1, 0, 1, 1)]
    [InlineData("expand", true, "kernel=3x3,padding=1,groups=2", 3, 3, 1, 1, 1, 2)]
    [InlineData("reduce", true, "kernel=3x3,padding=1,groups=2", 3, 3, 1, 1, 1, 2)]
    public void Factors_agree_with_float64(
        string approximation, bool bias, string conv, int kernelHeight, int kernelWidth, int stride, int padding, int dilation, int groups)
    {
        var inputs = new ConvolutionGramReference.Geometry(
            Channels / groups, Height, Width, kernelHeight, kernelWidth, stride, padding, dilation);
        var outputs = new ConvolutionGramReference.Geometry(
            OutputChannels / groups, inputs.OutputHeight, inputs.OutputWidth, 1, 1, 1, 0, 1);
        float[] x = TestData.Uniform(Images * Channels * Height * Width, 1);
        float[] g = TestData.Uniform(Images * OutputChannels * outputs.Height * outputs.Width, 2);
        _kfac.Write("X.npy", [Images, Channels, Height, Width], x);
        _kfac.Write("G.npy", [Images, OutputChannels, outputs.Height, outputs.Width], g);
        JsonElement json = _kfac.RunJson(
            [
                "factors", "--inputs", "@X.npy", "--output-gradients", "@G.npy", "--approx", approximation, "--conv", conv, "--out", "@out",
                .. bias ? ["--bias"] : (string[])[],
            ]);

        bool reduce = approximation == "reduce";
        int positions = outputs.Height * outputs.Width;
        AssertFactor("out/A.npy", x, groups, inputs, reduce, ReferenceScale.Mean, bias, 1.0 / (reduce ? Images : Images * positions));
        AssertFactor("out/B.npy", g, groups, outputs, reduce, ReferenceScale.Sum, appendOnes: false, 1);
        Assert.Equal(Images, json.GetProperty("examples").GetInt32());
        Assert.Equal(positions, json.GetProperty("sharing").GetInt32());
        Assert.Equal(inputs.PatchWidth, json.GetProperty("inputWidth").GetInt32());
        Assert.Equal(OutputChannels / groups, json.GetProperty("outputWidth").GetInt32());
    }

    [Theory]
    [InlineData(2, "--conv is 'kernel=3'; wanted kernel=HxW", "kernel=3")]
    [InlineData(2, "wanted kernel=HxW", "stride=1")]
    [InlineData(2, "wanted kernel=HxW", "kernel=3x3,stride=0")]
    [InlineData(2, "wanted kernel=HxW", "kernel=3x3,kernel=3x3")]
    [InlineData(2, "wanted kernel=HxW", "kernel=3x3,step=1")]
    [InlineData(2, "--conv does not go with --segments", "kernel=3x3", "--segments", "@S.npy")]
    [InlineData(1, "The kernel covers 7 rows and the padded image has 6", "kernel=7x1")]
    [InlineData(1, "Channels is 4; wanted a multiple of the 3 groups", "kernel=3x3,groups=3")]
    [InlineData(1, "G.npy has shape (3, 6, 6, 5); wanted (3, C_out, 4, 3)", "kernel=3x3")]
    [InlineData(1, "C_out a multiple of the groups, 4", "kernel=3x3,padding=1,groups=4")]
    public void Refuses_what_is_no_convolution(int exitCode, string problem, string conv, params string[] more)
    {
        _kfac.Write("X.npy", [Images, Channels, Height, Width], new float[Images * Channels * Height * Width]);
        _kfac.Write("G.npy", [Images, OutputChannels, Height, Width], new float[Images * OutputChannels * Height * Width]);
        _kfac.RunFails(
            exitCode, problem, ["factors", "--inputs", "@X.npy", "--output-gradients", "@G.npy", "--conv", conv, "--out", "@out", .. more]);
    }

    [Fact]
    public void Inputs_are_images()
    {
        _kfac.Write("X.npy", [2, 3], new float[6]);
        _kfac.RunFails(
            1,
            "X.npy has shape (2, 3); wanted images (M, C, H, W)",
            ["factors", "--inputs", "@X.npy", "--output-gradients", "@X.npy", "--conv", "kernel=1x1", "--out", "@out"]);
    }

    private void AssertFactor(
        string file, float[] values, int groups, ConvolutionGramReference.Geometry geometry, bool reduce, ReferenceScale scale, bool appendOnes, double alpha)
    {
        int size = geometry.PatchWidth + (appendOnes ? 1 : 0);
        NpyArray<float> factor = _kfac.Read(file);
        Assert.Equal(groups == 1 ? [size, size] : [groups, size, size], factor.Shape);
        int positions = geometry.OutputHeight * geometry.OutputWidth;
        int image = values.Length / Images / groups;
        int[] offsets = SegmentReduceReference.UniformOffsets(reduce ? Images : Images * positions, reduce ? positions : 1);
        for (int group = 0; group < groups; group++)
        {
            double[] images = [.. Enumerable.Range(0, Images).SelectMany(n => TestData.ToDouble(values.AsSpan(((n * groups) + group) * image, image)))];
            double[] patches = ConvolutionGramReference.Patches(images, Images, geometry);
            double[] expected = GramReference.Compute(patches, geometry.PatchWidth, offsets, scale, appendOnes, alpha, 0, []);
            double[] magnitude = GramReference.Magnitude(patches, geometry.PatchWidth, offsets, scale, appendOnes, alpha, 0, []);

            // The bound that ConvolutionGram states, and one rounding of α to float32.
            double gamma = ErrorBound.Gamma((Images * positions) + 7) + (reduce ? 2 * ErrorBound.Gamma(positions + 1) : 0);
            ErrorBound.AssertWithinAndSharp(
                factor.Values.AsSpan(group * size * size, size * size), expected, Array.ConvertAll(magnitude, value => gamma * value), file);
        }
    }
}
