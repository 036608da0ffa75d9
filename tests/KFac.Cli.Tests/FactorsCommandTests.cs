using System.Text.Json;
using KFac.Nn;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Cli.Tests;

/// <summary>The factors of <c>kfac factors</c> against those of Listing 1 and equations 7, 28, 40 and 55 in float64.</summary>
public sealed class FactorsCommandTests : IDisposable
{
    private const int InputWidth = 7;
    private const int OutputWidth = 5;

    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Theory]
    [InlineData("expand", false, 31)]
    [InlineData("reduce", true, 31)]
    [InlineData("expand", false, 6, 9)]
    [InlineData("expand", true, 6, 9)]
    [InlineData("reduce", false, 6, 9)]
    [InlineData("reduce", true, 6, 9)]
    [InlineData("expand", true, 4, 3, 5)]
    [InlineData("reduce", true, 4, 3, 5)]
    [InlineData("reduce", false, 3, 2, 3, 2)]
    [InlineData("expand", true, 1, 1)]
    public void Factors_agree_with_float64(string approximation, bool bias, params int[] leading)
    {
        int examples = leading[0];
        int rows = leading.Aggregate(1, static (product, size) => product * size);
        int sharing = rows / examples;
        JsonElement json = Run(leading, rows, approximation, bias, []);

        bool isReduced = approximation == "reduce";
        int[] offsets = SegmentReduceReference.UniformOffsets(isReduced ? examples : rows, isReduced ? sharing : 1);
        AssertFactors(offsets, isReduced ? sharing : 1, ReferenceScale.Mean, ReferenceScale.Sum, bias);
        AssertReport(json, approximation, examples, sharing, bias);
    }

    [Theory]
    [InlineData("expand", false)]
    [InlineData("expand", true)]
    [InlineData("reduce", false)]
    [InlineData("reduce", true)]
    public void Ragged_factors_agree_with_float64(string approximation, bool bias)
    {
        // Example 1 has no rows, and --examples adds a fifth without any.
        int[] segments = [0, 0, 0, 2, 2, 2, 2, 2, 3];
        int[] offsets = [0, 3, 3, 8, 9, 9];
        _kfac.Write("S.npy", [segments.Length], segments);
        JsonElement json = Run([segments.Length], segments.Length, approximation, bias, ["--segments", "@S.npy", "--examples", "5"]);

        if (approximation == "expand")
        {
            offsets = SegmentReduceReference.UniformOffsets(segments.Length, 1);
        }

        AssertFactors(offsets, 5, ReferenceScale.InverseSquareRoot, ReferenceScale.InverseSquareRoot, bias);
        AssertReport(json, approximation, 5, 0, bias);
    }

    [Fact]
    public void The_number_of_ragged_examples_is_the_last_index_plus_1()
    {
        _kfac.Write("X.npy", [3, 1], [1f, 2f, 3f]);
        _kfac.Write("S.npy", [3], [0, 2, 2]);
        JsonElement json = _kfac.RunJson(
            "factors", "--inputs", "@X.npy", "--output-gradients", "@X.npy", "--segments", "@S.npy", "--approx", "reduce", "--out", "@out");
        Assert.Equal(3, json.GetProperty("examples").GetInt32());

        // (1² + ((2 + 3)/√2)²)/3
        Assert.Equal(4.5f, Assert.Single(_kfac.Read("out/A.npy").Values), 1e-5f);
        Assert.Equal(13.5f, Assert.Single(_kfac.Read("out/B.npy").Values), 1e-5f);
    }

    [Fact]
    public void Float64_files_are_converted()
    {
        byte[] header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }\n"u8.ToArray();
        File.WriteAllBytes(
            _kfac["X.npy"],
            [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. header, .. BitConverter.GetBytes(3.0), .. BitConverter.GetBytes(-0.5)]);
        _kfac.RunJson("factors", "--inputs", "@X.npy", "--output-gradients", "@X.npy", "--out", "@out");
        Assert.Equal([9f, -1.5f, -1.5f, 0.25f], _kfac.Read("out/A.npy").Values);
    }

    [Fact]
    public void One_thread_and_three_give_the_same_bytes()
    {
        Run([12, 33], 12 * 33, "reduce", bias: true, []);
        byte[] first = File.ReadAllBytes(_kfac["out/A.npy"]);
        foreach (string threads in (string[])["1", "3"])
        {
            CommandResult result = _kfac.Run(
                "factors", "--inputs", "@X.npy", "--output-gradients", "@G.npy", "--approx", "reduce", "--bias", "--out", "@out", "--threads", threads);
            Assert.Equal(0, result.ExitCode);
            Assert.Contains("reduce", result.Output, StringComparison.Ordinal);
            Assert.Equal(first, File.ReadAllBytes(_kfac["out/A.npy"]));
        }
    }

    private JsonElement Run(int[] leading, int rows, string approximation, bool bias, string[] more)
    {
        _kfac.Write("X.npy", [.. leading, InputWidth], TestData.Uniform(rows * InputWidth, seed: 4));
        _kfac.Write("G.npy", [.. leading, OutputWidth], TestData.Uniform(rows * OutputWidth, seed: 5));
        return _kfac.RunJson(
            ["factors", "--inputs", "@X.npy", "--output-gradients", "@G.npy", "--approx", approximation, "--out", "@out", .. more, .. bias ? ["--bias"] : (string[])[]]);
    }

    /// <summary>A is the mean, and B the sum, over the groups of rows that the offsets name.</summary>
    private void AssertFactors(int[] offsets, int longest, ReferenceScale inputScale, ReferenceScale gradientScale, bool bias)
    {
        int groups = offsets.Length - 1;
        AssertFactor("X.npy", "out/A.npy", InputWidth, offsets, longest, inputScale, bias, 1.0 / groups);
        AssertFactor("G.npy", "out/B.npy", OutputWidth, offsets, longest, gradientScale, appendOnes: false, 1);
    }

    private void AssertFactor(
        string rowsFile, string factorFile, int columns, int[] offsets, int longest, ReferenceScale scale, bool appendOnes, double alpha)
    {
        double[] rows = TestData.ToDouble(_kfac.Read(rowsFile).Values);
        int size = columns + (appendOnes ? 1 : 0);
        NpyArray<float> factor = _kfac.Read(factorFile);
        Assert.Equal([size, size], factor.Shape);
        double[] expected = GramReference.Compute(rows, columns, offsets, scale, appendOnes, alpha, 0, []);
        double[] magnitude = GramReference.Magnitude(rows, columns, offsets, scale, appendOnes, alpha, 0, []);

        // The bound that Gram states, and one rounding of α to float32.
        double gamma = ErrorBound.Gamma(offsets.Length + 2) + (2 * ErrorBound.Gamma(longest + 1));
        ErrorBound.AssertWithinAndSharp(factor.Values, expected, Array.ConvertAll(magnitude, value => gamma * value), factorFile);
    }

    private void AssertReport(JsonElement json, string approximation, int examples, int sharing, bool bias)
    {
        Assert.Equal("cpu", json.GetProperty("device").GetString());
        Assert.Equal(approximation, json.GetProperty("approximation").GetString());
        Assert.Equal(examples, json.GetProperty("examples").GetInt32());
        Assert.Equal(sharing, json.GetProperty("sharing").GetInt32());
        Assert.Equal(InputWidth, json.GetProperty("inputWidth").GetInt32());
        Assert.Equal(OutputWidth, json.GetProperty("outputWidth").GetInt32());
        Assert.Equal(bias, json.GetProperty("bias").GetBoolean());
        Assert.Equal(_kfac["out/A.npy"], json.GetProperty("a").GetProperty("path").GetString());
        Assert.Equal(InputWidth + (bias ? 1 : 0), json.GetProperty("a").GetProperty("size").GetInt32());
        Assert.Equal(_kfac["out/B.npy"], json.GetProperty("b").GetProperty("path").GetString());
        Assert.Equal(OutputWidth, json.GetProperty("b").GetProperty("size").GetInt32());
        Assert.True(json.GetProperty("seconds").GetDouble() >= 0);
    }
}
