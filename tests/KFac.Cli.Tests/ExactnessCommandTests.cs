using System.Text.Json;
using System.Xml.Linq;
using KFac.Nn;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class ExactnessCommandTests : IDisposable
{
    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Fact]
    public void All_cases_pass_and_are_one_JSON_object()
    {
        JsonElement result = _kfac.RunJson("exactness", "--device", "cpu", "--seed", "5");

        Assert.True(result.GetProperty("passed").GetBoolean());
        Assert.Equal("cpu", result.GetProperty("device").GetString());
        Assert.Equal(5u, result.GetProperty("seed").GetUInt64());
        JsonElement[] rows = [.. result.GetProperty("rows").EnumerateArray()];
        Assert.Equal(
            ExactnessCases.All.Select(each => each.Name),
            rows.Select(row => row.GetProperty("case").GetString()).Distinct());
        Assert.All(rows, row =>
        {
            CheckError(row, "expand");
            CheckError(row, "reduce");
        });
    }

    [Fact]
    public void One_case_is_printed_for_people()
    {
        CommandResult result = _kfac.Run("exactness", "--case", "mlp-relu", "--device", "cpu");

        Assert.Equal((ExitCode.Success, string.Empty), (result.ExitCode, result.Error));
        Assert.Contains("layer3", result.Output, StringComparison.Ordinal);
        Assert.Contains("3 layers on cpu", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("attention", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Figures_are_written_as_SVG_into_a_new_directory()
    {
        JsonElement result = _kfac.RunJson("exactness", "--case", "linear-expand", "--figures", "@figures");

        string[] files = [.. result.GetProperty("figures").EnumerateArray().Select(file => file.GetString()!)];
        Assert.Equal(["deep-linear-expand.svg", "deep-linear-reduce-mean.svg"], files.Select(Path.GetFileName));
        Assert.All(files, file => Assert.Equal("svg", XDocument.Load(file).Root!.Name.LocalName));
        Assert.Equal(2, Directory.GetFiles(_kfac["figures"]).Length);
    }

    [Fact]
    public void A_directory_without_a_parent_is_refused() => _kfac.RunFails(
        ExitCode.Failure, "does not exist", "exactness", "--case", "linear-expand", "--figures", "@missing/deeper");

    [Fact]
    public void An_unknown_case_is_wrong_usage() => _kfac.RunFails(
        ExitCode.Usage, "--case is 'nope'; wanted linear-expand,", "exactness", "--case", "nope");

    private static void CheckError(JsonElement row, string approximation)
    {
        double error = row.GetProperty($"{approximation}Error").GetDouble();
        bool exact = row.GetProperty($"{approximation}Exact").GetBoolean();
        Assert.True(exact ? error <= 1e-5 : error >= row.GetProperty("minimumInexactError").GetDouble(), row.ToString());
        Assert.True(row.GetProperty($"{approximation}Passed").GetBoolean());
    }
}
