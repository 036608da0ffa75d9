using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Xunit;

namespace KFac.Architecture.Tests;

/// <summary>The PTX that is embedded comes from the CUDA sources as they are now: <c>compile-ptx.sh</c> was run.</summary>
public sealed partial class PtxTests
{
    private static readonly string Cuda = Path.Combine(Repository.Root, "src/KFac.Kernels/Cuda");

    public static TheoryData<string> Sources { get; } = new(SourceNames());

    [Theory]
    [MemberData(nameof(Sources))]
    public void Every_source_has_ptx_of_its_present_text(string source)
    {
        string ptx = Path.Combine(Cuda, "Ptx", PtxName(source));
        Assert.True(File.Exists(ptx), $"{source} has no PTX; run compile-ptx.sh.");
        Assert.Equal(Fingerprints(source, ReadSource), RecordedFingerprints(File.ReadAllText(ptx)));
    }

    [Theory]
    [MemberData(nameof(Sources))]
    public void Every_kernel_of_a_source_is_in_its_ptx(string source)
    {
        string ptx = File.ReadAllText(Path.Combine(Cuda, "Ptx", PtxName(source)));
        IEnumerable<string> kernels = KernelName().Matches(ReadSource(source)).Select(static match => match.Groups[1].Value);
        Assert.All(kernels, kernel => Assert.Contains($".entry {kernel}(", ptx, StringComparison.Ordinal));
    }

    /// <summary>An array that is indexed by what only the GPU knows, or a lambda that stayed a function, lies in local memory: as slow as
    /// global memory, and what points to shared memory there is read by slower instructions.</summary>
    [Theory]
    [MemberData(nameof(Sources))]
    public void No_kernel_keeps_variables_in_local_memory(string source)
    {
        string ptx = File.ReadAllText(Path.Combine(Cuda, "Ptx", PtxName(source)));
        Assert.DoesNotContain(".local ", ptx, StringComparison.Ordinal);
        Assert.DoesNotContain(".func ", ptx, StringComparison.Ordinal);
    }

    [Fact]
    public void No_ptx_is_left_over() =>
        Assert.Equal(
            SourceNames().Select(PtxName).Order(StringComparer.Ordinal),
            Names("Ptx", "*").Order(StringComparer.Ordinal));

    [Fact]
    public void A_planted_change_of_an_included_file_is_found()
    {
        var files = new Dictionary<string, string>
        {
            ["a.cu"] = "#include \"b.cuh\"\n",
            ["b.cuh"] = "#include \"c.cuh\"\n",
            ["c.cuh"] = "first",
        };
        List<string> before = Fingerprints("a.cu", name => files[name]);
        Assert.Equal(3, before.Count);
        files["c.cuh"] = "second";
        Assert.Single(Fingerprints("a.cu", name => files[name]).Except(before));
    }

    internal static string PtxName(string source)
    {
        string stem = Path.GetFileNameWithoutExtension(source);
        return stem.EndsWith(".sm_90a", StringComparison.Ordinal) ? $"{stem}.ptx" : $"{stem}.sm_80.ptx";
    }

    private static IEnumerable<string> SourceNames() => Names("Source", "*.cu").Order(StringComparer.Ordinal);

    private static IEnumerable<string> Names(string folder, string pattern) =>
        Directory.EnumerateFiles(Path.Combine(Cuda, folder), pattern).Select(static path => Path.GetFileName(path));

    private static string ReadSource(string name) => File.ReadAllText(Path.Combine(Cuda, "Source", name));

    /// <summary>Name and hash of a source and of all that it includes.</summary>
    private static List<string> Fingerprints(string source, Func<string, string> read)
    {
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var queue = new Queue<string>([source]);
        while (queue.TryDequeue(out string? name))
        {
            if (found.ContainsKey(name))
            {
                continue;
            }

            string text = read(name);
            byte[] hash = SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text));
            found.Add(name, $"{name} {Convert.ToHexStringLower(hash)}");
            foreach (Match include in Include().Matches(text))
            {
                queue.Enqueue(include.Groups[1].Value);
            }
        }

        return [.. found.Values];
    }

    private static List<string> RecordedFingerprints(string ptx) =>
        [.. ptx.Split('\n').Where(static line => line.StartsWith("// source ", StringComparison.Ordinal)).Select(static line => line["// source ".Length..])];

    [GeneratedRegex("""^\s*#\s*include "([^"]*\.cuh?)".*$""", RegexOptions.Multiline)]
    private static partial Regex Include();

    [GeneratedRegex(@"^KFAC_KERNEL\((\w+),", RegexOptions.Multiline)]
    private static partial Regex KernelName();
}
