using System.Runtime.CompilerServices;
using KFac.Kernels.Cuda;
using KFac.Testing.HostExecution;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>A kernel's arguments are one structure, written twice: in C++ and in C#, under one name.</summary>
public sealed class ArgumentStructureTests
{
    [SkippableFact]
    public void Every_structure_has_one_size_in_both_languages()
    {
        Skip.If(HostCompiler.Default is null, HostCompiler.Reason);
        using var runtime = new HostRuntime(HostProgram.ForLibrary(), HostRuntime.Ampere);
        string[] lines = runtime.Process.ListKernels().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(lines);
        Assert.All(lines, static line =>
        {
            string[] words = line.Split(' ');
            Type? type = typeof(CudaDevice).Assembly.GetType($"{typeof(CudaDevice).Namespace}.{words[2]}");
            Assert.True(type is not null, $"{words[0]}.cu: there is no C# structure {words[2]}.");
            Assert.True(type.IsLayoutSequential, $"{words[2]} is not laid out sequentially.");
            Assert.Equal($"{words[2]} {words[3]}", $"{words[2]} {SizeOf(type)}");
        });
    }

    private static int SizeOf(Type type) =>
        (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;
}
