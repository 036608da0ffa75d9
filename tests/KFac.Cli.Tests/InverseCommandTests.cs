using System.Text.Json;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class InverseCommandTests : IDisposable
{
    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Theory]
    [InlineData(1, 0.0)]
    [InlineData(17, 0.0)]
    [InlineData(65, 1e-3)]
    public void The_inverse_agrees_with_float64(int n, double damping)
    {
        float[] matrix = Matrices.Covariance(n, 3 * n, seed: 1);
        _kfac.Write("A.npy", [n, n], matrix);
        JsonElement json = _kfac.RunJson("inverse", "--matrix", "@A.npy", "--damping", $"{damping:R}", "--out", "@inverse.npy");

        double[] damped = TestData.ToDouble(matrix);
        double[] expected = DampedInverse.Run(damped, n, damping);
        for (int i = 0; i < n; i++)
        {
            damped[(i * n) + i] += damping;
        }

        // ‖X(A+λI) − I‖ ≤ c·n·ε·κ bounds ‖X − (A+λI)⁻¹‖ by that times ‖(A+λI)⁻¹‖.
        double inverseNorm = Matrices.OneNorm(expected, n);
        double condition = Matrices.OneNorm(damped, n) * inverseNorm;
        ErrorBound.AssertWithinAndSharp(
            _kfac.Read("inverse.npy").Values, expected, Matrices.Fill(n * n, 4 * n * ErrorBound.Epsilon * condition * inverseNorm), "inverse");

        Assert.Equal("cpu", json.GetProperty("device").GetString());
        Assert.Equal(n, json.GetProperty("size").GetInt32());
        Assert.Equal(damping, json.GetProperty("damping").GetDouble());
        Assert.Equal("single", json.GetProperty("precision").GetString());
        Assert.Equal(condition, json.GetProperty("condition").GetDouble(), 0.01 * condition);
        Assert.Equal(_kfac["inverse.npy"], json.GetProperty("inverse").GetProperty("path").GetString());
        Assert.Equal(n, json.GetProperty("inverse").GetProperty("size").GetInt32());
        Assert.True(json.GetProperty("seconds").GetDouble() >= 0);
    }

    [Fact]
    public void A_matrix_beyond_float32_is_inverted_in_float64_and_that_is_reported()
    {
        // 1 and 1 − 2⁻²⁴·2: the Schur complement is 1.2e-7, within float32's rounding of 1.
        float nearly = MathF.BitDecrement(1);
        _kfac.Write("A.npy", [2, 2], [1, nearly, nearly, 1]);
        JsonElement json = _kfac.RunJson("inverse", "--matrix", "@A.npy", "--damping", "0", "--out", "@inverse.npy");
        Assert.Equal("double", json.GetProperty("precision").GetString());
        double[] expected = DampedInverse.Run([1, nearly, nearly, 1], 2, 0);
        double[] tolerance = Array.ConvertAll(expected, static value => 1e-6 * Math.Abs(value));
        ErrorBound.AssertWithinAndSharp(_kfac.Read("inverse.npy").Values, expected, tolerance, "inverse");
    }

    [Fact]
    public void The_output_may_replace_the_input()
    {
        _kfac.Write("A.npy", [1, 1], [4f]);
        _kfac.RunJson("inverse", "--matrix", "@A.npy", "--damping", "0", "--out", "@A.npy");
        Assert.Equal([0.25f], _kfac.Read("A.npy").Values);
    }

    [Theory]
    [InlineData("element (1, 0) is 3 and (0, 1) is 2", new[] { 2, 2 }, 1f, 2f, 3f, 4f)]
    [InlineData("holds NaN at index (1, 0)", new[] { 2, 2 }, 1f, 0f, float.NaN, 4f)]
    [InlineData("holds -Infinity at index (1, 1)", new[] { 2, 2 }, 1f, 0f, 0f, float.NegativeInfinity)]
    [InlineData("shape (1, 2); wanted a square matrix", new[] { 1, 2 }, 1f, 2f)]
    [InlineData("shape (2,); wanted at least two dimensions", new[] { 2 }, 1f, 2f)]
    [InlineData("shape (1, 1, 1); wanted a matrix", new[] { 1, 1, 1 }, 1f)]
    [InlineData("shape (0, 0); wanted", new[] { 0, 0 })]
    [InlineData("is singular or not positive definite", new[] { 2, 2 }, 1f, 1f, 1f, 1f)]
    [InlineData("is singular or not positive definite", new[] { 2, 2 }, 1f, 2f, 2f, 1f)]
    [InlineData("is singular or not positive definite", new[] { 1, 1 }, -1f)]
    [InlineData("is singular or not positive definite", new[] { 1, 1 }, 1e-45f)]
    public void Bad_matrices_are_refused(string problem, int[] shape, params float[] values)
    {
        _kfac.Write("A.npy", shape, values);
        File.WriteAllText(_kfac["inverse.npy"], "kept");
        _kfac.RunFails(1, problem, "inverse", "--matrix", "@A.npy", "--damping", "0", "--out", "@inverse.npy");
    }

    [Theory]
    [InlineData("-1e-3")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("1e60")]
    [InlineData("little")]
    public void Damping_out_of_range_is_wrong_usage(string damping)
    {
        _kfac.Write("A.npy", [1, 1], [1f]);
        _kfac.RunFails(
            2, $"--damping is '{damping}'; wanted a finite number, at least 0", "inverse", "--matrix", "@A.npy", "--damping", damping, "--out", "@i.npy");
    }

    [Fact]
    public void Outputs_that_cannot_be_written_are_refused()
    {
        _kfac.Write("A.npy", [1, 1], [1f]);
        Directory.CreateDirectory(_kfac["directory"]);
        _kfac.RunFails(1, "is a directory; wanted the name of a file", "inverse", "--matrix", "@A.npy", "--damping", "0", "--out", "@directory");
        _kfac.RunFails(1, "does not exist", "inverse", "--matrix", "@A.npy", "--damping", "0", "--out", "@missing/i.npy");
        if (!OperatingSystem.IsWindows())
        {
            _kfac.RunFails(1, "/dev/kfac-test is a device", "inverse", "--matrix", "@A.npy", "--damping", "0", "--out", "/dev/kfac-test");
        }
    }
}
