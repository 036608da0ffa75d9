using System.Text.Json;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class KfacApplicationTests : IDisposable
{
    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Theory]
    [InlineData("Required command")]
    [InlineData("kfac bench: Required command was not provided. See kfac bench --help.", "bench")]
    [InlineData("kfac bench: 'frobnicate' is neither a command nor an option here. See kfac bench --help.", "bench", "frobnicate")]
    [InlineData("'frobnicate' is neither a command nor an option", "frobnicate")]
    [InlineData("'--frobnicate' is neither a command nor an option", "devices", "--frobnicate")]
    [InlineData("--device is 'tpu'; wanted cpu, cuda, cuda:N or auto", "devices", "--device", "tpu")]
    [InlineData("--threads is '0'; wanted a whole number from 1 to 1024", "devices", "--threads", "0")]
    [InlineData("--threads is 'x'; wanted", "devices", "--threads", "x")]
    [InlineData("--seed is '-1'; wanted", "devices", "--seed", "-1")]
    [InlineData("'--out' is required", "eigh", "--matrix", "A.npy")]
    public void Wrong_usage_is_one_line_and_exit_code_2(string problem, params string[] arguments) =>
        _kfac.RunFails(2, problem, arguments);

    [Fact]
    public void Help_lists_every_command()
    {
        CommandResult result = _kfac.Run("--help");
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(string.Empty, result.Error);
        Assert.All(
            (string[])["devices", "factors", "inverse", "eigh", "precondition", "train"],
            command => Assert.Contains($"  {command} ", result.Output, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("train", "--help")]
    [InlineData("bench", "inverse", "--help")]
    public void Help_may_be_asked_for_by_a_word(params string[] arguments) =>
        Assert.Equal(_kfac.Run(arguments).Output, _kfac.Run(["help", .. arguments[..^1]]).Output);

    [Fact]
    public void Devices_are_listed_with_the_reason_where_one_is_missing()
    {
        JsonElement devices = _kfac.RunJson("devices").GetProperty("devices");
        Assert.Equal(["cpu", "cuda"], devices.EnumerateArray().Select(static device => device.GetProperty("name").GetString()));
        Assert.True(devices[0].GetProperty("available").GetBoolean());
        Assert.All(
            devices.EnumerateArray(),
            static device => Assert.NotEqual(
                device.GetProperty("available").GetBoolean(),
                device.GetProperty("reason").GetString()!.Length > 0));
        Assert.Contains("cuda", _kfac.Run("devices").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_stack_trace_is_printed_only_when_asked_for()
    {
        string[] arguments = ["eigh", "--matrix", "@missing.npy", "--out", "@out"];
        _kfac.RunFails(1, "missing.npy does not exist.", arguments);
        CommandResult verbose = _kfac.Run([.. arguments, "--verbose"]);
        Assert.Equal(1, verbose.ExitCode);
        Assert.Contains("   at KFac.Cli.EighCommand", verbose.Error, StringComparison.Ordinal);
    }
}
