using System.IO.Compression;

namespace KFac.Nn;

/// <summary>Opens files that may be gzip-compressed. Compression is recognised by content, not by name.</summary>
internal static class CompressedFile
{
    /// <summary>The file's content, unzipped if need be.</summary>
    public static Stream OpenRead(string path)
    {
        FileStream file = File.OpenRead(path);
        return IsGzip(file) ? new GZipStream(file, CompressionMode.Decompress) : file;
    }

    /// <summary>The file of that name, or of that name with <c>.gz</c>, in a directory; the plain one where both exist.</summary>
    /// <exception cref="FileNotFoundException">There is neither.</exception>
    public static string Find(string directory, string name) =>
        TryFind(directory, name) ?? throw new FileNotFoundException($"{directory} has no {name}[.gz].");

    /// <summary>As <see cref="Find"/>; null where there is neither.</summary>
    public static string? TryFind(string directory, string name)
    {
        string plain = Path.Combine(directory, name);
        string zipped = plain + ".gz";
        return File.Exists(plain) ? plain : File.Exists(zipped) ? zipped : null;
    }

    /// <summary>Reads until <paramref name="bytes"/> is full or the content ends; returns how many were read.</summary>
    /// <exception cref="InvalidDataException">The gzip stream is corrupt; the message names the file.</exception>
    public static int Fill(Stream stream, string path, Span<byte> bytes)
    {
        try
        {
            return stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException failure)
        {
            throw new InvalidDataException(
                $"{path} is corrupt gzip ({failure.Message.TrimEnd('.')}); wanted a whole gzip file.", failure);
        }
    }

    private static bool IsGzip(FileStream file)
    {
        Span<byte> start = stackalloc byte[2];
        int read = file.ReadAtLeast(start, 2, throwOnEndOfStream: false);
        file.Position = 0;
        return read == 2 && start[0] == 0x1F && start[1] == 0x8B;
    }
}
