using System.Text.Json;
using System.Xml.Linq;
using KFac.Nn;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class ExactnessCommandTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("kfac-exactness").FullName;

    [Fact]
    public void All_cases_pass_and_are_one_JSON_object()
    {
        (int exitCode, string output, string error) = Run("exactness", "--json", "--device", "cpu", "--seed", "5");

        Assert.Equal((ExitCode.Success, ""), (exitCode, error));
        JsonElement result = JsonDocument.Parse(output).RootElement;
        Assert.True(result.GetProperty("passed").GetBoolean());
        Assert.Equal("cpu", result.GetProperty("device").GetString());
        Assert.Equal(5u, result.GetProperty("seed").GetUInt64());
        JsonElement[] rows = [.. result.GetProperty("rows").EnumerateArray()];
        Assert.Equal(
            ExactnessCases.All.Select(each => each.Name),
            rows.Select(row => row.GetProperty("case").GetString()).Distinct());
        Assert.All(rows, row =>
        {
            Check(row, "expand", row.GetProperty("minimumInexactError").GetDouble());
            Check(row, "reduce", row.GetProperty("minimumInexactError").GetDouble());
        });
    }

    [Fact]
    public void One_case_is_printed_for_people()
    {
        (int exitCode, string output, string error) = Run("exactness", "--case", "mlp-relu", "--device", "cpu");

        Assert.Equal((ExitCode.Success, ""), (exitCode, error));
        Assert.Contains("layer3", output, StringComparison.Ordinal);
        Assert.Contains("3 layers on cpu", output, StringComparison.Ordinal);
        Assert.DoesNotContain("attention", output, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Figures_are_written_as_SVG()
    {
        (int exitCode, string output, _) = Run("exactness", "--case", "linear-expand", "--figures", Path.Combine(_directory, "new"), "--json");

        Assert.Equal(ExitCode.Success, exitCode);
        string[] files = [.. JsonDocument.Parse(output).RootElement.GetProperty("figures").EnumerateArray().Select(file => file.GetString()!)];
        Assert.Equal(["deep-linear-expand.svg", "deep-linear-reduce-mean.svg"], files.Select(Path.GetFileName));
        Assert.All(files, file => Assert.Equal("svg", XDocument.Load(file).Root!.Name.LocalName));
        Assert.Equal(2, Directory.GetFiles(Path.Combine(_directory, "new")).Length);
    }

    [Fact]
    public void A_missing_directory_fails_with_one_line()
    {
        (int exitCode, string output, string error) = Run(
            "exactness", "--case", "linear-expand", "--figures", Path.Combine(_directory, "missing", "deeper"));

        Assert.Equal((ExitCode.Failure, ""), (exitCode, output));
        Assert.Contains("does not exist", Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_case_is_wrong_usage()
    {
        (int exitCode, _, string error) = Run("exactness", "--case", "nope");

        Assert.Equal(ExitCode.Usage, exitCode);
        Assert.Contains("--case is 'nope'", error, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static void Check(JsonElement row, string approximation, double minimumInexactError)
    {
        double error = row.GetProperty($"{approximation}Error").GetDouble();
        bool exact = row.GetProperty($"{approximation}Exact").GetBoolean();
        Assert.True(exact ? error <= 1e-5 : error >= minimumInexactError, row.ToString());
        Assert.True(row.GetProperty($"{approximation}Passed").GetBoolean());
    }

    private static (int ExitCode, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = new KfacApplication(output, error, CancellationToken.None).Run(arguments);
        return (exitCode, output.ToString(), error.ToString());
    }
}
