using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>The files that one command produces: all are complete on disk before the first takes its final name.</summary>
/// <remarks>Each is written to a temporary file beside its target and flushed; <see cref="Commit"/> renames them over
/// their targets. Disposing without a commit deletes the temporary files, so a failure leaves existing files untouched.</remarks>
internal sealed class OutputFiles : IDisposable
{
    private readonly string _directory;
    private readonly bool _isMissing;
    private readonly List<(string Temporary, string Target)> _files = [];

    private OutputFiles(string directory, bool isMissing)
    {
        _directory = directory;
        _isMissing = isMissing;
    }

    /// <summary>Files inside <paramref name="directory"/>, which the first write creates when only its parent exists.</summary>
    /// <exception cref="IOException">There is no parent either, or a file has the directory's name.</exception>
    public static OutputFiles InDirectory(string directory)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        if (File.Exists(full))
        {
            throw new IOException($"{directory} is a file; wanted a directory.");
        }

        bool isMissing = !Directory.Exists(full);
        if (isMissing)
        {
            RequireParent(full, directory);
        }

        return new OutputFiles(directory, isMissing);
    }

    /// <summary>One file, <paramref name="path"/>, whose directory exists.</summary>
    /// <exception cref="IOException">There is no such directory, or the path is one.</exception>
    public static OutputFiles Beside(string path)
    {
        if (Directory.Exists(path) || Path.EndsInDirectorySeparator(path))
        {
            throw new IOException($"{path} is a directory; wanted the name of a file.");
        }

        RequireParent(Path.GetFullPath(path), path);
        return new OutputFiles(Path.GetDirectoryName(path) ?? string.Empty, isMissing: false);
    }

    /// <summary>Writes a device matrix as a float32 <c>.npy</c> file of the given shape.</summary>
    /// <param name="fileName">Without its directory.</param>
    /// <returns>The file's path, for the report.</returns>
    /// <exception cref="IOException">The disk is full, or the directory cannot be written.</exception>
    /// <exception cref="ArithmeticException">An element is not finite.</exception>
    public string Write(string fileName, DeviceStream stream, MatrixView<float> matrix, params ReadOnlySpan<int> shape)
    {
        string target = Path.Combine(_directory, fileName);
        if (Directory.Exists(target))
        {
            throw new IOException($"{target} is a directory; wanted the name of a file.");
        }

        var values = new float[matrix.Rows * matrix.Columns];
        stream.Download(matrix, values);
        int index = values.AsSpan().IndexOfNonFinite();
        if (index >= 0)
        {
            throw new ArithmeticException($"The result for {target} holds {values[index]}: it is beyond the range of float32. Scale the input, or raise the damping.");
        }

        if (_isMissing)
        {
            Directory.CreateDirectory(_directory);
        }

        string temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        _files.Add((temporary, target));
        using var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        Npy.Write(file, shape, values);
        file.Flush(flushToDisk: true);
        return target;
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

        if (_isMissing && _files.Count > 0)
        {
            Directory.Delete(_directory);
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
