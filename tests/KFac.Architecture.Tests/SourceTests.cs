using System.Text.RegularExpressions;
using Xunit;

namespace KFac.Architecture.Tests;

/// <summary>Rules about source files that the compiler does not know.</summary>
public sealed partial class SourceTests
{
    private const int LongestFile = 400;

    [Fact]
    public void Only_the_kernels_name_a_device_implementation()
    {
        IEnumerable<string> offenders = Repository.SourceFiles("src")
            .Where(static path => !path.StartsWith("src/KFac.Kernels/", StringComparison.Ordinal))
            .SelectMany(static path => DeviceNames(Read(path)).Select(name => $"{path}: {name}"));
        Assert.Empty(offenders);
    }

    [Theory]
    [InlineData("var device = new CpuDevice(options);", "CpuDevice")]
    [InlineData("/// <see cref=\"CudaStream\"/>", "CudaStream")]
    [InlineData("if (isCpu) { }", "isCpu")]
    public void A_planted_device_name_is_found(string source, string name) => Assert.Equal([name], DeviceNames(source));

    [Theory]
    [InlineData("Device.Open(\"cpu\"); // CUDA or the CPU")]
    [InlineData("AcpuxCudalike")]
    public void Words_that_are_not_device_types_pass(string source) => Assert.Empty(DeviceNames(source));

    [Fact]
    public void No_file_is_a_collection_of_unrelated_things()
    {
        string[] folders = ["src", "tests", "bench"];
        Assert.DoesNotContain(Repository.SourceFiles(folders), IsCatchAll);
        Assert.True(IsCatchAll("src/KFac.Nn/Data/FileUtils.cs"));
        Assert.True(IsCatchAll("src/KFac.Engine/TestHelper.cs"));
    }

    [Fact]
    public void Source_files_can_be_read_in_one_sitting()
    {
        IEnumerable<string> tooLong = Repository.SourceFiles("src")
            .Select(static path => (Path: path, Lines: File.ReadLines(Path.Combine(Repository.Root, path)).Count()))
            .Where(static file => file.Lines > LongestFile)
            .Select(static file => $"{file.Path}: {file.Lines} lines");
        Assert.Empty(tooLong);
    }

    [Fact]
    public void Every_operation_has_the_files_that_ADD_A_KERNEL_names()
    {
        string[] stems = [.. KernelInterface().Matches(Read("src/KFac.Kernels/KernelTable.cs")).Select(static match => match.Groups[1].Value)];
        Assert.Contains("SegmentReduce", stems);
        IEnumerable<string> missing = stems
            .Where(static stem => stem != "LimitProbe") // It is the measure itself.
            .SelectMany(static stem => (string[])
            [
                $"src/KFac.Kernels/Ops/{stem}.cs",
                $"src/KFac.Kernels/Cpu/Cpu{stem}.cs",
                $"src/KFac.Kernels/Cuda/Cuda{stem}.cs",
                $"tests/KFac.Kernels.Tests/Ops/{stem}Tests.cs",
                $"bench/KFac.Bench/{stem}Benchmarks.cs",
            ])
            .Where(static path => !File.Exists(Path.Combine(Repository.Root, path)));
        Assert.Empty(missing);
    }

    [Fact]
    public void The_scan_sees_the_sources() =>
        Assert.Contains("src/KFac.Kernels/Device.cs", Repository.SourceFiles("src"));

    private static string Read(string path) => File.ReadAllText(Path.Combine(Repository.Root, path));

    private static IEnumerable<string> DeviceNames(string source) => DeviceName().Matches(source).Select(static match => match.Value);

    private static bool IsCatchAll(string path) => CatchAllName().IsMatch(Path.GetFileNameWithoutExtension(path));

    /// <summary>An identifier with the word <c>Cpu</c> or <c>Cuda</c> in it: a capital starts the next word, if any.</summary>
    [GeneratedRegex(@"\b(?:\w*[a-z0-9_])?(?:Cpu|Cuda)(?![a-z])\w*\b")]
    private static partial Regex DeviceName();

    [GeneratedRegex(@"public I(\w+)Kernel\?")]
    private static partial Regex KernelInterface();

    [GeneratedRegex("(Util|Utils|Utilities|Helper|Helpers|Misc|Common)$")]
    private static partial Regex CatchAllName();
}
