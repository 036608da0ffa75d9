using System.Runtime.CompilerServices;
using KFac.Kernels.Cuda;
using KFac.Testing.HostExecution;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>A kernel's arguments are one structure, written twice: in C++ as <c>XArguments</c>, in C# under the same name, or as
/// <c>XKernelArguments</c> where the operation itself has one of that name.</summary>
public sealed class ArgumentStructureTests
{
    /// <summary>Of all arguments of a kernel, on every driver.</summary>
    private const int MostBytes = 4096;

    [SkippableFact]
    public void Every_structure_has_one_size_in_both_languages()
    {
        Skip.If(HostCompiler.Default is null, HostCompiler.Reason);
        using var runtime = new HostRuntime(HostProgram.ForLibrary(), HostRuntime.Ampere);
        string[] lines = runtime.Process.ListKernels().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(lines);
        Assert.All(lines, static line => Assert.Equal(string.Empty, Complaint(line)));
    }

    private static string Complaint(string line)
    {
        string[] words = line.Split(' ');
        (string module, string structure, int bytes) = (words[0], words[2], int.Parse(words[3]));
        Type? type = Find(structure) ?? Find(structure.Replace("Arguments", "KernelArguments", StringComparison.Ordinal));
        if (type is null)
        {
            return $"{module}.cu: there is no C# structure {structure}";
        }

        if (!type.IsLayoutSequential || SizeOf(type) != bytes)
        {
            return $"{module}.cu: {structure} has {bytes} bytes in C++ and {SizeOf(type)} in C#";
        }

        return bytes <= MostBytes ? string.Empty : $"{module}.cu: {structure} has {bytes} bytes; a kernel takes {MostBytes}";
    }

    private static Type? Find(string structure) =>
        typeof(CudaDevice).Assembly.GetType($"{typeof(CudaDevice).Namespace}.{structure}");

    private static int SizeOf(Type type) =>
        (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;
}
