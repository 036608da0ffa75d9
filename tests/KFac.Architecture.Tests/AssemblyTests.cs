using System.CodeDom.Compiler;
using System.Reflection;
using System.Runtime.CompilerServices;
using Xunit;

namespace KFac.Architecture.Tests;

/// <summary>What the compiled libraries refer to, and that they keep no state outside objects.</summary>
public sealed class AssemblyTests
{
    public static TheoryData<string> Projects { get; } = new(Repository.AllowedDependencies.Keys);

    [Theory]
    [MemberData(nameof(Projects))]
    public void Assemblies_refer_only_to_assemblies_below_them(string project) =>
        Assert.Empty(KFacReferences(Load(project)).Except(Repository.AllowedDependencies[project]));

    [Fact]
    public void The_reference_refers_to_no_assembly_of_the_project() =>
        Assert.Empty(KFacReferences(Assembly.Load("KFac.Reference")));

    [Theory]
    [MemberData(nameof(Projects))]
    public void Types_live_in_the_namespace_of_their_library(string project)
    {
        string[] namespaces = project == "KFac.Kernels" ? [project, $"{project}.Cpu", $"{project}.Cuda", $"{project}.Planning"] : [project];
        IEnumerable<string> strays = Load(project).GetTypes()
            .Where(type => type.Namespace is { } name && name.StartsWith("KFac", StringComparison.Ordinal) && !namespaces.Contains(name))
            .Select(static type => type.FullName!);
        Assert.Empty(strays);
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Libraries_have_no_mutable_static_fields(string project) =>
        Assert.Empty(Load(project).GetTypes().SelectMany(MutableStatics));

    [Fact]
    public void A_planted_mutable_static_field_is_found() =>
        Assert.Equal([$"{typeof(Offender).FullName}.{nameof(Offender.Count)}"], MutableStatics(typeof(Offender)));

    // The command's assembly is named like the command.
    private static Assembly Load(string project) => Assembly.Load(project == "KFac.Cli" ? "kfac" : project);

    private static IEnumerable<string> KFacReferences(Assembly assembly) =>
        assembly.GetReferencedAssemblies()
            .Select(static name => name.Name!)
            .Where(static name => name.StartsWith("kfac", StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<string> MutableStatics(Type type)
    {
        const BindingFlags Statics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        return type.GetFields(Statics)
            .Where(static field => !field.IsLiteral && !field.IsInitOnly && !IsGenerated(field) && !IsGenerated(field.DeclaringType!))
            .Select(static field => $"{field.DeclaringType!.FullName}.{field.Name}");
    }

    private static bool IsGenerated(MemberInfo member) =>
        member.IsDefined(typeof(CompilerGeneratedAttribute)) || member.IsDefined(typeof(GeneratedCodeAttribute));

    private static class Offender
    {
        public const int Constant = 1;
        public static readonly int Fixed = 2;
        public static int Count = 3;
    }
}
