using System.Text.Json;
using KFac.Nn;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class EighCommandTests : IDisposable
{
    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(33)]
    public void Values_and_vectors_agree_with_float64(int n)
    {
        float[] matrix = Matrices.Covariance(n, n, seed: 2);
        _kfac.Write("A.npy", [n, n], matrix);
        JsonElement json = _kfac.RunJson("eigh", "--matrix", "@A.npy", "--out", "@out");
        NpyArray<float> values = _kfac.Read("out/values.npy");
        NpyArray<float> vectors = _kfac.Read("out/vectors.npy");
        Assert.Equal([n], values.Shape);
        Assert.Equal([n, n], vectors.Shape);

        double[] a = TestData.ToDouble(matrix);
        double[] expected = SymmetricEigen.Values(a, n);
        double bound = 50 * n * ErrorBound.Epsilon * Matrices.OneNorm(a, n);
        ErrorBound.AssertWithinAndSharp(values.Values, expected, Matrices.Fill(n, bound), "eigenvalues");

        // A·Q and Q·diag(w) agree within the residual that the operation promises.
        double[] q = TestData.ToDouble(vectors.Values);
        double[] image = GemmReference.Multiply(false, false, 1, a, q, 0, [], n, n, n);
        float[] scaled = [.. vectors.Values.Select((element, index) => element * values.Values[index % n])];
        ErrorBound.AssertWithinAndSharp(scaled, image, Matrices.Fill(n * n, bound), "A·Q");

        Assert.Equal(n, json.GetProperty("size").GetInt32());
        Assert.Equal(values.Values[0], json.GetProperty("smallest").GetSingle());
        Assert.Equal(values.Values[^1], json.GetProperty("largest").GetSingle());
        Assert.Equal(_kfac["out/values.npy"], json.GetProperty("values").GetProperty("path").GetString());
        Assert.Equal(_kfac["out/vectors.npy"], json.GetProperty("vectors").GetProperty("path").GetString());
    }

    [Fact]
    public void Two_runs_give_the_same_bytes()
    {
        _kfac.Write("A.npy", [20, 20], Matrices.Covariance(20, 10, seed: 3));
        _kfac.RunJson("eigh", "--matrix", "@A.npy", "--out", "@first");
        _kfac.RunJson("eigh", "--matrix", "@A.npy", "--out", "@second");
        Assert.Equal(File.ReadAllBytes(_kfac["first/vectors.npy"]), File.ReadAllBytes(_kfac["second/vectors.npy"]));
    }

    [Theory]
    [InlineData("is not symmetric", new[] { 2, 2 }, 1f, 2f, 3f, 4f)]
    [InlineData("holds NaN at index (0, 0)", new[] { 1, 1 }, float.NaN)]
    [InlineData("wanted a square matrix", new[] { 1, 2 }, 1f, 2f)]
    public void Bad_matrices_are_refused(string problem, int[] shape, params float[] values)
    {
        _kfac.Write("A.npy", shape, values);
        Directory.CreateDirectory(_kfac["out"]);
        File.WriteAllText(_kfac["out/values.npy"], "kept");
        _kfac.RunFails(1, problem, "eigh", "--matrix", "@A.npy", "--out", "@out");
    }

    [Fact]
    public void Neither_file_changes_when_one_cannot_be_written()
    {
        _kfac.Write("A.npy", [1, 1], [1f]);
        Directory.CreateDirectory(_kfac["out/vectors.npy"]);
        File.WriteAllText(_kfac["out/values.npy"], "kept");
        _kfac.RunFails(1, "vectors.npy is a directory", "eigh", "--matrix", "@A.npy", "--out", "@out");
    }

    [Fact]
    public void A_directory_is_created_only_below_one_that_exists()
    {
        _kfac.Write("A.npy", [1, 1], [1f]);
        _kfac.RunFails(1, "does not exist", "eigh", "--matrix", "@A.npy", "--out", "@missing/out");
        _kfac.RunFails(1, "is a file; wanted a directory", "eigh", "--matrix", "@A.npy", "--out", "@A.npy");
        _kfac.Write("B.npy", [1, 1], [float.NaN]);
        _kfac.RunFails(1, "holds NaN", "eigh", "--matrix", "@B.npy", "--out", "@out");
    }
}
