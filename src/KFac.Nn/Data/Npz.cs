using System.IO.Compression;

namespace KFac.Nn;

/// <summary>Reads the named arrays of a <c>.npz</c> archive, as numpy.savez and savez_compressed write it.</summary>
public sealed class NpzReader : IDisposable
{
    private const string Extension = ".npy";

    private readonly ZipArchive _archive;
    private readonly string _path;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = [];

    /// <summary>Opens an archive and lists it.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is not a zip archive, or two arrays have one name.</exception>
    public NpzReader(string path)
    {
        _path = path;
        try
        {
            _archive = ZipFile.OpenRead(path);
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{path} is not a .npz file, or is truncated: {exception.Message}", exception);
        }

        foreach (ZipArchiveEntry entry in _archive.Entries.Where(static entry => entry.FullName.EndsWith(Extension, StringComparison.Ordinal)))
        {
            if (!_entries.TryAdd(entry.FullName[..^Extension.Length], entry))
            {
                _archive.Dispose();
                throw new InvalidDataException($"{path} holds two arrays named '{entry.FullName}'.");
            }
        }
    }

    /// <summary>Names of the arrays, in the archive's order.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>Opens one array; the caller disposes it. Arrays are read one after the other.</summary>
    /// <exception cref="InvalidDataException">There is no such array, or it is malformed.</exception>
    public NpyReader Open(string name)
    {
        if (!_entries.TryGetValue(name, out ZipArchiveEntry? entry))
        {
            throw new InvalidDataException($"{_path} has no array '{name}'; it has {string.Join(", ", Names)}.");
        }

        return new NpyReader(entry.Open(), $"{_path}({name})", entry.Length);
    }

    /// <inheritdoc/>
    public void Dispose() => _archive.Dispose();
}

/// <summary>Writes named arrays into a <c>.npz</c> archive that numpy.load reads. The same arrays give the same bytes.</summary>
public sealed class NpzWriter : IDisposable
{
    private readonly ZipArchive _archive;
    private readonly CompressionLevel _compression;

    /// <summary>Starts an archive; it is complete when the writer is disposed. The stream stays open.</summary>
    /// <param name="compression">None by default, as in numpy.savez.</param>
    public NpzWriter(Stream stream, CompressionLevel compression = CompressionLevel.NoCompression)
    {
        _archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        _compression = compression;
    }

    /// <summary>Adds a float32 array.</summary>
    /// <exception cref="ArgumentException">The shape does not hold that many values.</exception>
    public void Add(string name, ReadOnlySpan<int> shape, ReadOnlySpan<float> values)
    {
        using Stream stream = Create(name);
        Npy.Write(stream, shape, values);
    }

    /// <summary>Adds an int32 array.</summary>
    /// <exception cref="ArgumentException">The shape does not hold that many values.</exception>
    public void Add(string name, ReadOnlySpan<int> shape, ReadOnlySpan<int> values)
    {
        using Stream stream = Create(name);
        Npy.Write(stream, shape, values);
    }

    /// <inheritdoc/>
    public void Dispose() => _archive.Dispose();

    private Stream Create(string name)
    {
        ZipArchiveEntry entry = _archive.CreateEntry($"{name}.npy", _compression);
        // The earliest time that a zip can hold, so that the bytes do not depend on the clock.
        entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
        return entry.Open();
    }
}
