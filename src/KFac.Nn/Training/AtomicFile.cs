namespace KFac.Nn;

/// <summary>Replaces a file as a whole: whatever happens, its name leads to the old contents or to all of the new.</summary>
internal static class AtomicFile
{
    /// <summary>Ends the name of the temporary file. One that a killed process left behind is overwritten by the next write.</summary>
    public const string TemporarySuffix = ".tmp";

    /// <summary>Writes a temporary file beside <paramref name="path"/>, flushes it to the disk and renames it.</summary>
    /// <exception cref="IOException">It could not be written, for example because the disk is full; the temporary file is gone. Or the
    /// path is a device's, which renaming would take away.</exception>
    public static void Write(string path, Action<Stream> write) => Write(path, write, Create);

    /// <inheritdoc cref="Write(string, Action{Stream})"/>
    /// <param name="open">Opens the temporary file; tests put a disk that fails in its place.</param>
    public static void Write(string path, Action<Stream> write, Func<string, Stream> open)
    {
        if (IsDevice(path))
        {
            throw new IOException($"{path} is a device; wanted the name of a file.");
        }

        string temporary = path + TemporarySuffix;
        try
        {
            using (Stream stream = open(temporary))
            {
                write(stream);
                Flush(stream);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            Remove(temporary);
            throw;
        }
    }

    /// <summary>Opens a new file, or empties the one that is there.</summary>
    public static Stream Create(string path) =>
        new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);

    // A rename would put a file in the place of /dev/null and its like.
    private static bool IsDevice(string path) => !OperatingSystem.IsWindows() && Path.GetDirectoryName(Path.GetFullPath(path)) == "/dev";

    private static void Flush(Stream stream)
    {
        if (stream is FileStream file)
        {
            file.Flush(flushToDisk: true);
        }
        else
        {
            stream.Flush();
        }
    }

    private static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The write error that brought us here is the one to report.
        }
    }
}
