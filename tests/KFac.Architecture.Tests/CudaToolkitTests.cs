using System.Text.RegularExpressions;
using Xunit;

namespace KFac.Architecture.Tests;

/// <summary>NVIDIA's own tools take every kernel, where a machine has them: its compiler the sources, its assembler the PTX that clang
/// made of them.</summary>
public sealed partial class CudaToolkitTests
{
    /// <summary>Bytes of registers that the assembler may keep in local memory: a few words that wait outside of loops. It trades them for
    /// another block a multiprocessor.</summary>
    private const int MostSpilledBytes = 64;

    [SkippableTheory]
    [MemberData(nameof(PtxTests.Sources), MemberType = typeof(PtxTests))]
    public void Every_source_compiles(string source)
    {
        string target = Path.GetTempFileName();
        try
        {
            string architecture = IsForHopper(source) ? "compute_90a" : "compute_80";
            string path = Path.Combine(Repository.Root, "src/KFac.Kernels/Cuda/Source", source);
            (int code, string output) = CudaToolkit.Run("nvcc", "-std=c++20", "-fmad=false", $"-arch={architecture}", "-ptx", path, "-o", target);
            Assert.True(code == 0, output);
        }
        finally
        {
            File.Delete(target);
        }
    }

    /// <summary>Registers that are spilled, warpgroup products that wait for each other and registers that are not given away show here alone.</summary>
    [SkippableTheory]
    [MemberData(nameof(PtxTests.Sources), MemberType = typeof(PtxTests))]
    public void Every_ptx_becomes_what_was_meant(string source)
    {
        string target = Path.GetTempFileName();
        try
        {
            string path = Path.Combine(Repository.Root, "src/KFac.Kernels/Cuda/Ptx", PtxTests.PtxName(source));
            foreach (string architecture in IsForHopper(source) ? new[] { "sm_90a" } : ["sm_80", "sm_90"])
            {
                (int code, string output) = CudaToolkit.Run("ptxas", $"-arch={architecture}", "-v", path, "-o", target);
                Assert.True(code == 0, output);
                Assert.DoesNotContain("warning", output, StringComparison.OrdinalIgnoreCase);
                Assert.DoesNotContain("serializ", output, StringComparison.OrdinalIgnoreCase);
                Assert.DoesNotContain("setmaxnreg", output, StringComparison.OrdinalIgnoreCase);
                Assert.All(StackFrame().Matches(output), frame => Assert.True(int.Parse(frame.Groups[1].Value) <= MostSpilledBytes, output));
            }
        }
        finally
        {
            File.Delete(target);
        }
    }

    private static bool IsForHopper(string source) => source.EndsWith(".sm_90a.cu", StringComparison.Ordinal);

    [GeneratedRegex(@"(\d+) bytes stack frame")]
    private static partial Regex StackFrame();
}
