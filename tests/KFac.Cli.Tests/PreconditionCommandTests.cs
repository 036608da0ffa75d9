using System.Text.Json;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Cli.Tests;

/// <summary><c>kfac precondition</c> against dense inverses in float64.</summary>
public sealed class PreconditionCommandTests : IDisposable
{
    private const int Rows = 4;
    private const int Columns = 6;
    private const double Damping = 0.05;

    private readonly CommandLine _kfac = new();
    private readonly float[] _a = Matrices.Covariance(Columns, 20, seed: 6);
    private readonly float[] _b = Matrices.Covariance(Rows, 20, seed: 7);
    private readonly float[] _gradient = TestData.Uniform(Rows * Columns, seed: 8);

    public PreconditionCommandTests()
    {
        _kfac.Write("A.npy", [Columns, Columns], _a);
        _kfac.Write("B.npy", [Rows, Rows], _b);
        _kfac.Write("DW.npy", [Rows, Columns], _gradient);
    }

    public void Dispose() => _kfac.Dispose();

    [Fact]
    public void Product_damping_agrees_with_the_dense_inverse_of_the_Kronecker_product()
    {
        const int Size = Rows * Columns;
        var dense = new double[Size * Size];
        for (int i = 0; i < Size; i++)
        {
            for (int j = 0; j < Size; j++)
            {
                // Column-stacking vec: element (row, column) of ∇W is number column·Rows + row.
                dense[(i * Size) + j] = (double)_a[(i / Rows * Columns) + (j / Rows)] * _b[(i % Rows * Rows) + (j % Rows)];
            }
        }

        double[] inverse = DampedInverse.Run(dense, Size, Damping);
        double[] stacked = Transpose(TestData.ToDouble(_gradient), Rows, Columns);
        double[] expected = Transpose(GemmReference.Multiply(false, false, 1, inverse, stacked, 0, [], Size, 1, Size), Columns, Rows);
        double condition = (Matrices.OneNorm(dense, Size) + Damping) * Matrices.OneNorm(inverse, Size);
        AssertUpdate("product", expected, 50 * Size * ErrorBound.Epsilon * condition);
    }

    [Theory]
    [InlineData("pi")]
    [InlineData("factor")]
    public void Factored_damping_agrees_with_two_dense_inverses(string style)
    {
        double[] a = TestData.ToDouble(_a);
        double[] b = TestData.ToDouble(_b);
        double pi = Math.Sqrt(Trace(a, Columns) / Columns / (Trace(b, Rows) / Rows));
        double dampingA = style == "pi" ? pi * Math.Sqrt(Damping) : Damping;
        double dampingB = style == "pi" ? Math.Sqrt(Damping) / pi : Damping;
        double[] inverseA = DampedInverse.Run(a, Columns, dampingA);
        double[] inverseB = DampedInverse.Run(b, Rows, dampingB);
        double[] half = GemmReference.Multiply(false, false, 1, inverseB, TestData.ToDouble(_gradient), 0, [], Rows, Columns, Rows);
        double[] expected = GemmReference.Multiply(false, false, 1, half, inverseA, 0, [], Rows, Columns, Columns);
        double conditionA = (Matrices.OneNorm(a, Columns) + dampingA) * Matrices.OneNorm(inverseA, Columns);
        double conditionB = (Matrices.OneNorm(b, Rows) + dampingB) * Matrices.OneNorm(inverseB, Rows);
        AssertUpdate(style, expected, 4 * (Rows + Columns) * ErrorBound.Epsilon * (conditionA + conditionB));
    }

    [Fact]
    public void The_report_names_what_was_done()
    {
        JsonElement json = _kfac.RunJson(Arguments("product"));
        Assert.Equal("cpu", json.GetProperty("device").GetString());
        Assert.Equal("product", json.GetProperty("dampingStyle").GetString());
        Assert.Equal(Damping, json.GetProperty("damping").GetDouble());
        Assert.Empty(json.GetProperty("events").EnumerateArray());
        JsonElement update = json.GetProperty("update");
        Assert.Equal(_kfac["U.npy"], update.GetProperty("path").GetString());
        Assert.Equal(Rows, update.GetProperty("rows").GetInt32());
        Assert.Equal(Columns, update.GetProperty("columns").GetInt32());
    }

    [Fact]
    public void A_singular_factor_without_damping_gets_some_and_that_is_reported()
    {
        _kfac.Write("B.npy", [Rows, Rows], [.. Enumerable.Repeat(1f, Rows * Rows)]);
        string[] arguments = Arguments("factor");
        arguments[Array.IndexOf(arguments, "--damping") + 1] = "0";
        JsonElement json = _kfac.RunJson(arguments);
        Assert.Contains(
            json.GetProperty("events").EnumerateArray(),
            static item => item.GetProperty("kind").GetString() == "dampingIncreased" && item.GetProperty("count").GetInt64() > 0);
    }

    [Theory]
    [InlineData("pi")]
    [InlineData("factor")]
    [InlineData("product")]
    public void A_factor_that_is_not_positive_semi_definite_is_refused(string style)
    {
        _kfac.Write("B.npy", [Rows, Rows], Array.ConvertAll(_b, static value => -value));
        _kfac.RunFails(1, "B.npy is not positive semi-definite", Arguments(style));
        _kfac.Write("B.npy", [Rows, Rows], Array.ConvertAll(_b, static value => MathF.Abs(value) < 0.3f ? 1f : value));
        _kfac.RunFails(1, "B.npy is not positive semi-definite", Arguments(style));
    }

    [Fact]
    public void A_zero_factor_leaves_the_damping_alone()
    {
        _kfac.Write("A.npy", [Columns, Columns], new float[Columns * Columns]);
        double[] expected = Array.ConvertAll(TestData.ToDouble(_gradient), static value => value / Damping);
        AssertUpdate("product", expected, 1e-6);
    }

    [Fact]
    public void Bad_inputs_are_refused()
    {
        File.WriteAllText(_kfac["U.npy"], "kept");
        _kfac.Write("DW.npy", [Columns, Rows], _gradient);
        _kfac.RunFails(1, "DW.npy has shape (6, 4); wanted (4, 6)", Arguments("pi"));
        _kfac.Write("DW.npy", [Rows, Columns], [.. _gradient[1..], float.NaN]);
        _kfac.RunFails(1, "DW.npy holds NaN at index (3, 5)", Arguments("pi"));
        _kfac.Write("B.npy", [2, 2], [1f, 0.5f, 0.25f, 1f]);
        _kfac.RunFails(1, "B.npy is not symmetric", Arguments("product"));
        _kfac.RunFails(2, "--damping-style is 'both'; wanted pi, factor or product", Arguments("both"));
    }

    private static string[] Arguments(string style) =>
    [
        "precondition", "--a", "@A.npy", "--b", "@B.npy", "--gradient", "@DW.npy", "--damping", $"{Damping:R}", "--damping-style", style, "--out", "@U.npy",
    ];

    private void AssertUpdate(string style, double[] expected, double relativeBound)
    {
        _kfac.RunJson(Arguments(style));
        double norm = Math.Sqrt(expected.Sum(static value => value * value));
        ErrorBound.AssertWithinAndSharp(_kfac.Read("U.npy").Values, expected, Matrices.Fill(expected.Length, relativeBound * norm), style);
    }

    private static double Trace(double[] matrix, int n) => Enumerable.Range(0, n).Sum(i => matrix[(i * n) + i]);

    private static double[] Transpose(double[] matrix, int rows, int columns) =>
        [.. Enumerable.Range(0, rows * columns).Select(i => matrix[(i % rows * columns) + (i / rows)])];
}
