namespace KFac.Cli;

/// <summary>The files that one command produces: all are complete on disk before the first takes its final name.</summary>
/// <remarks>Each is written to a temporary file beside its target and flushed; <see cref="Commit"/> renames them over
/// their targets. Disposing without a commit deletes the temporary files, so a failure leaves existing files untouched.</remarks>
internal sealed class OutputFiles : IDisposable
{
    private readonly List<(string Temporary, string Target)> _files = [];

    /// <summary>Writes one file; it appears under <paramref name="path"/> at <see cref="Commit"/>.</summary>
    /// <exception cref="IOException">The directory is missing, or the disk is full.</exception>
    public void Write(string path, Action<Stream> write)
    {
        string target = Path.GetFullPath(path);
        string temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        if (Directory.Exists(target))
        {
            throw new IOException($"{path} is a directory; wanted the name of a file.");
        }

        if (!Directory.Exists(Path.GetDirectoryName(target)))
        {
            throw new DirectoryNotFoundException($"The directory of {path} does not exist; create it first.");
        }

        _files.Add((temporary, target));
        using var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        write(stream);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Gives every file its final name.</summary>
    public void Commit()
    {
        foreach ((string temporary, string target) in _files)
        {
            File.Move(temporary, target, overwrite: true);
        }

        _files.Clear();
    }

    /// <summary>Deletes what was written and not committed.</summary>
    public void Dispose()
    {
        foreach ((string temporary, _) in _files)
        {
            File.Delete(temporary);
        }
    }
}
