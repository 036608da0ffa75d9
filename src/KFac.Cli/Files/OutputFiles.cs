using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>The files that one command produces: all are complete on disk before the first takes its final name.</summary>
/// <remarks>Each is written to a temporary file beside its target and flushed; <see cref="Commit"/> renames them over
/// their targets. Disposing without a commit deletes the temporary files, so a failure leaves existing files untouched.</remarks>
internal sealed class OutputFiles : IDisposable
{
    private readonly List<(string Temporary, string Target)> _files = [];
    private string? _directoryToCreate;

    /// <summary>For files in <paramref name="directory"/>, which the first write creates when only its parent exists.</summary>
    /// <exception cref="IOException">There is no parent either, or a file has the directory's name.</exception>
    public static OutputFiles InDirectory(string directory)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        if (File.Exists(full))
        {
            throw new IOException($"{directory} is a file; wanted a directory.");
        }

        if (Directory.Exists(full))
        {
            return new OutputFiles();
        }

        RequireParent(full, directory);
        return new OutputFiles { _directoryToCreate = full };
    }

    /// <summary>For one file, after making sure that <paramref name="path"/> can name one.</summary>
    /// <exception cref="IOException">Its directory does not exist, or the path is one or a device's.</exception>
    public static OutputFiles For(string path)
    {
        RequireTargets(path);
        return new OutputFiles();
    }

    /// <summary>Makes sure that paths can name files, for those that a library writes at the end of a long run.</summary>
    /// <param name="paths">Null for what is not written.</param>
    /// <exception cref="IOException">A directory does not exist, or a path is one or a device's.</exception>
    public static void RequireTargets(params ReadOnlySpan<string?> paths)
    {
        foreach (string? path in paths)
        {
            if (path is not null)
            {
                RequireFileName(path);
                RequireParent(Path.GetFullPath(path), path);
            }
        }
    }

    /// <summary>Writes one file; it appears under <paramref name="path"/> at <see cref="Commit"/>.</summary>
    /// <exception cref="IOException">The directory is missing, or the disk is full.</exception>
    public void Write(string path, Action<Stream> write)
    {
        RequireFileName(path);
        if (_directoryToCreate is not null)
        {
            Directory.CreateDirectory(_directoryToCreate);
        }

        string target = Path.GetFullPath(path);
        RequireParent(target, path);
        string temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        _files.Add((temporary, target));
        using var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        write(stream);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Writes device elements in C order as a float32 <c>.npy</c> file.</summary>
    /// <exception cref="ArithmeticException">An element is not finite.</exception>
    /// <inheritdoc cref="Write(string, Action{Stream})"/>
    public void WriteNpy(string path, DeviceStream stream, VectorView<float> elements, params int[] shape)
    {
        var values = new float[elements.Length];
        stream.Download(elements, values);
        int index = FloatSpans.IndexOfNonFinite(values);
        if (index >= 0)
        {
            throw new ArithmeticException(
                $"The result for {path} holds {values[index]}: it is beyond the range of float32. Scale the input, or raise the damping.");
        }

        Write(path, file => Npy.Write(file, shape, values));
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

        if (_directoryToCreate is not null && _files.Count > 0)
        {
            Directory.Delete(_directoryToCreate);
        }
    }

    private static void RequireFileName(string path)
    {
        if (Directory.Exists(path) || Path.EndsInDirectorySeparator(path))
        {
            throw new IOException($"{path} is a directory; wanted the name of a file.");
        }

        // The rename would put a file in the place of /dev/null and its like.
        if (!OperatingSystem.IsWindows() && Path.GetDirectoryName(Path.GetFullPath(path)) == "/dev")
        {
            throw new IOException($"{path} is a device; wanted the name of a file.");
        }
    }

    private static void RequireParent(string full, string given)
    {
        string? parent = Path.GetDirectoryName(full);
        if (parent is not null && !Directory.Exists(parent))
        {
            throw new DirectoryNotFoundException($"{given} cannot be written: the directory {parent} does not exist.");
        }
    }
}
