namespace KFac.Testing;

/// <summary>The checkout that the tests were built from.</summary>
public static class RepositoryRoot
{
    /// <summary>The folder that holds <c>KFac.sln</c>.</summary>
    public static string Path => Found.Value;

    private static Lazy<string> Found { get; } = new(Find);

    private static string Find()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(System.IO.Path.Combine(directory.FullName, "KFac.sln")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? throw new DirectoryNotFoundException($"There is no KFac.sln above {AppContext.BaseDirectory}.");
    }
}
