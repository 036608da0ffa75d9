using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Keeps the newest checkpoint of a run in a directory.</summary>
/// <remarks>
/// A checkpoint is written to a temporary file in the same directory, flushed to the disk, and renamed over the last one:
/// at every moment, whatever kills the process, the directory holds the last whole checkpoint under its name. A temporary
/// file that a killed process left behind is overwritten by the next checkpoint and never read.
/// </remarks>
public sealed class CheckpointStore
{
    /// <summary>Name of the checkpoint in its directory.</summary>
    public const string FileName = "checkpoint.kfac";

    /// <summary>Names the directory; nothing is read or written yet.</summary>
    public CheckpointStore(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        Directory = directory;
        FilePath = Path.Combine(directory, FileName);
    }

    /// <summary>Where the checkpoint lies.</summary>
    public string Directory { get; }

    /// <summary>The checkpoint.</summary>
    public string FilePath { get; }

    /// <summary>Whether there is a checkpoint.</summary>
    public bool Exists => File.Exists(FilePath);

    /// <summary>Makes sure that the directory is one, or can become one.</summary>
    /// <exception cref="IOException">A file has its name.</exception>
    public void RequireDirectory()
    {
        if (File.Exists(Directory))
        {
            throw new IOException($"Checkpoints cannot be kept in {Directory}, which is a file; wanted a directory.");
        }
    }

    /// <summary>Opens the temporary file; tests put a disk that fails in its place.</summary>
    internal Func<string, Stream> OpenTemporary { get; init; } = AtomicFile.Create;

    /// <summary>Writes a new checkpoint in place of the last one.</summary>
    /// <param name="fingerprint">What must be the same when the run goes on: one <c>name=value</c> per line.</param>
    /// <param name="device">The stream that computed the state.</param>
    /// <param name="state">What to save.</param>
    /// <exception cref="IOException">It could not be written, for example because the disk is full; the last checkpoint is
    /// still there and the temporary file is gone.</exception>
    public void Save(string fingerprint, DeviceStream device, IStateful state)
    {
        ArgumentNullException.ThrowIfNull(fingerprint);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(state);
        try
        {
            System.IO.Directory.CreateDirectory(Directory);
            AtomicFile.Write(FilePath, file => Write(file, fingerprint, device, state), OpenTemporary);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            string kept = Exists ? "; the last checkpoint is still there" : string.Empty;
            throw new IOException($"Cannot write the checkpoint {FilePath}: {failure.Message.TrimEnd('.')}{kept}.", failure);
        }
    }

    /// <summary>Restores the checkpoint into <paramref name="state"/>. Nothing is restored unless the whole file is sound
    /// and its fingerprint is the one given.</summary>
    /// <exception cref="FileNotFoundException">There is no checkpoint.</exception>
    /// <exception cref="InvalidDataException">The file is foreign, truncated or corrupt, or belongs to another run.</exception>
    public void Load(string fingerprint, DeviceStream device, IStateful state)
    {
        ArgumentNullException.ThrowIfNull(fingerprint);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(state);
        if (!Exists)
        {
            throw new FileNotFoundException($"There is no checkpoint {FilePath}.");
        }

        using FileStream file = File.OpenRead(FilePath);
        var reader = new CheckpointReader(file, FilePath, device);
        CompareFingerprints(reader.Fingerprint, fingerprint);
        state.VisitState(reader);
        reader.End();
    }

    private static void Write(Stream file, string fingerprint, DeviceStream device, IStateful state)
    {
        var writer = new CheckpointWriter(file, device);
        writer.Begin(fingerprint);
        state.VisitState(writer);
        writer.End();
    }

    private void CompareFingerprints(string found, string wanted)
    {
        if (found == wanted)
        {
            return;
        }

        string[] theirs = found.Split('\n');
        string[] ours = wanted.Split('\n');
        for (int i = 0; i < Math.Min(theirs.Length, ours.Length); i++)
        {
            if (theirs[i] != ours[i])
            {
                throw new InvalidDataException(
                    $"{FilePath} belongs to a run with {theirs[i]}; this run has {ours[i]}. Resume with the options it was started with.");
            }
        }

        throw new InvalidDataException($"{FilePath} belongs to a run with other options.");
    }
}
