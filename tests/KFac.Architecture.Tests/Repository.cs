using KFac.Testing;

namespace KFac.Architecture.Tests;

/// <summary>The checkout that the tests were built from, and the order of its libraries.</summary>
internal static class Repository
{
    /// <summary>What each project of src may depend on, directly or not. A new project must be given its place here.</summary>
    public static IReadOnlyDictionary<string, string[]> AllowedDependencies { get; } = new Dictionary<string, string[]>
    {
        ["KFac.Kernels"] = [],
        ["KFac.Engine"] = ["KFac.Kernels"],
        ["KFac.Nn"] = ["KFac.Engine", "KFac.Kernels"],
        ["KFac.Cli"] = ["KFac.Nn", "KFac.Engine", "KFac.Kernels"],
    };

    public static string Root => RepositoryRoot.Path;

    /// <summary>Hand-written C# files below the given folders, relative to the root.</summary>
    public static IEnumerable<string> SourceFiles(params string[] folders) =>
        folders
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(static path => !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
}
