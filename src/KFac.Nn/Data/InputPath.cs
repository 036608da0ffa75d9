namespace KFac.Nn;

/// <summary>Refuses paths that lead to nothing, or to the wrong thing, by the name that was given.</summary>
internal static class InputPath
{
    /// <param name="wanted">What the file should be, for the message: <c>a .npy file</c>.</param>
    /// <exception cref="IOException">A directory has the name.</exception>
    /// <exception cref="FileNotFoundException">Nothing has.</exception>
    public static void RequireFile(string path, string wanted)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            throw new IOException($"{path} is a directory; wanted {wanted}.");
        }

        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path} does not exist.", path);
        }
    }

    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    public static void RequireDataDirectory(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        if (!Directory.Exists(directory))
        {
            throw new DirectoryNotFoundException(File.Exists(directory)
                ? $"{directory} is a file; wanted a data directory."
                : $"There is no data directory {directory}.");
        }
    }
}
