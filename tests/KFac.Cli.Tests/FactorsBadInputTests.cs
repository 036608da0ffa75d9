using Xunit;

namespace KFac.Cli.Tests;

/// <summary>What <c>kfac factors</c> refuses: one line, exit code 1, and the old A.npy as it was.</summary>
public sealed class FactorsBadInputTests : IDisposable
{
    private readonly CommandLine _kfac = new();

    public FactorsBadInputTests()
    {
        Directory.CreateDirectory(_kfac["out"]);
        File.WriteAllText(_kfac["out/A.npy"], "kept");
        _kfac.Write("X.npy", [2, 2], [1f, 2f, 3f, 4f]);
        _kfac.Write("G.npy", [2, 1], [1f, 2f]);
    }

    public void Dispose() => _kfac.Dispose();

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "Infinity")]
    public void Numbers_that_are_not_finite_are_named_by_file_and_first_index(float bad, string text)
    {
        _kfac.Write("X.npy", [2, 2, 2], [1f, 2f, 3f, 4f, 5f, bad, bad, 8f]);
        _kfac.Write("G.npy", [2, 2, 1], [1f, 2f, 3f, 4f]);
        Fails($"X.npy holds {text} at index (1, 0, 1); wanted finite numbers.");
        _kfac.Write("X.npy", [2, 2, 1], [1f, 2f, 3f, 4f]);
        _kfac.Write("G.npy", [2, 2, 1], [1f, bad, 3f, 4f]);
        Fails($"G.npy holds {text} at index (0, 1, 0); wanted finite numbers.");
    }

    [Theory]
    [InlineData("wanted all dimensions but the last to agree", new[] { 3, 1 })]
    [InlineData("wanted all dimensions but the last to agree", new[] { 2, 1, 1 })]
    [InlineData("wanted at least two dimensions", new[] { 2 })]
    [InlineData("wanted at least two dimensions, the last not 0", new[] { 2, 0 })]
    public void Shapes_must_belong_together(string problem, int[] shape)
    {
        _kfac.Write("G.npy", shape, new float[shape.Aggregate(1, static (product, size) => product * size)]);
        Fails(problem);
    }

    [Theory]
    [InlineData("zero examples", new[] { 0, 2 }, new[] { 0, 1 })]
    [InlineData("zero examples", new[] { 0, 3, 2 }, new[] { 0, 3, 1 })]
    [InlineData("an empty sharing dimension", new[] { 3, 0, 2 }, new[] { 3, 0, 1 })]
    public void Zero_examples_are_refused(string problem, int[] inputs, int[] gradients)
    {
        _kfac.Write("X.npy", inputs, Array.Empty<float>());
        _kfac.Write("G.npy", gradients, Array.Empty<float>());
        Fails(problem);
    }

    [Theory]
    [InlineData("Segment index of row 1 is 0, less than 1 before it", new[] { 1, 0 })]
    [InlineData("Segment index of row 0 is -1; wanted 0 to 0", new[] { -1, 0 })]
    [InlineData("S.npy has shape (3,); wanted (2,)", new[] { 0, 0, 0 })]
    [InlineData("Segment index of row 1 is 5; wanted 0 to 2", new[] { 0, 5 }, "--examples", "3")]
    public void Segments_must_be_sorted_and_in_range(string problem, int[] segments, params string[] more)
    {
        _kfac.Write("S.npy", [segments.Length], segments);
        Fails(problem, ["--segments", "@S.npy", .. more]);
    }

    [Fact]
    public void Segments_go_with_matrices_of_whole_numbers_only()
    {
        Fails("X.npy holds <f4; wanted <i4 or <i8.", "--segments", "@X.npy");
        _kfac.Write("S.npy", [0], Array.Empty<int>());
        _kfac.Write("X.npy", [0, 2], Array.Empty<float>());
        _kfac.Write("G.npy", [0, 1], Array.Empty<float>());
        Fails("S.npy holds no indices, so there are zero examples", "--segments", "@S.npy");
        _kfac.Write("X.npy", [1, 1, 1], [1f]);
        _kfac.Write("G.npy", [1, 1, 1], [1f]);
        Fails("wanted two dimensions with segments", "--segments", "@S.npy");
    }

    [Fact]
    public void Truncated_and_foreign_files_are_refused()
    {
        byte[] bytes = File.ReadAllBytes(_kfac["X.npy"]);
        File.WriteAllBytes(_kfac["X.npy"], bytes[..^1]);
        Fails("X.npy has 15 bytes of data; wanted 16 for shape (2, 2) of <f4.");
        File.WriteAllText(_kfac["X.npy"], "not an array at all");
        Fails("X.npy is not a .npy file");
        File.Delete(_kfac["X.npy"]);
        Fails("X.npy does not exist.");
    }

    [Fact]
    public void Factors_beyond_float32_are_refused()
    {
        _kfac.Write("X.npy", [2, 2], [1f, 2e38f, 3f, 4f]);
        Fails("A.npy holds Infinity: it is beyond the range of float32");
    }

    [Theory]
    [InlineData("--approx is 'middle'; wanted expand or reduce", "--approx", "middle")]
    [InlineData("--examples goes with --segments", "--examples", "3")]
    [InlineData("--examples is '0'; wanted a whole number, at least 1", "--examples", "0")]
    public void Wrong_usage_has_exit_code_2(string problem, params string[] more) => Fails(2, problem, more);

    [Fact]
    public void A_cancelled_run_leaves_files_as_they_were()
    {
        CommandResult result = _kfac.Run(
            new CancellationToken(canceled: true), "factors", "--inputs", "@X.npy", "--output-gradients", "@G.npy", "--out", "@out");
        Assert.Equal(1, result.ExitCode);
        Assert.Equal($"kfac factors: cancelled.{Environment.NewLine}", result.Error);
        Assert.Equal("kept", File.ReadAllText(_kfac["out/A.npy"]));
    }

    private void Fails(string problem, params string[] more) => Fails(1, problem, more);

    private void Fails(int exitCode, string problem, params string[] more) =>
        _kfac.RunFails(exitCode, problem, ["factors", "--inputs", "@X.npy", "--output-gradients", "@G.npy", "--out", "@out", .. more]);
}
