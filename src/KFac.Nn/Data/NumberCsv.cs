using System.Globalization;
using System.Text;

namespace KFac.Nn;

/// <summary>Reads comma-separated numbers without a header, plain or gzip-compressed, as the raw folders of OGB hold them.</summary>
/// <remarks>Every row has the same number of fields; rows end with LF or CRLF, the last one possibly with neither. Rows
/// are counted from 1 in messages.</remarks>
internal sealed class NumberCsv<T>
    where T : struct, IUtf8SpanParsable<T>
{
    private const int FirstBuffer = 1 << 16;
    private const int MaxRowBytes = 1 << 26;

    private readonly string _path;
    private readonly T? _missing;
    private readonly List<T> _values = [];
    private int _columns;
    private int _rows;

    private NumberCsv(string path, int columns, T? missing)
    {
        _path = path;
        _columns = columns;
        _missing = missing;
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="columns">Fields of a row; 0 for as many as the first row has.</param>
    /// <param name="missing">What an empty field means; null to refuse one.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is malformed; the message names file, row, what was found and what
    /// was wanted.</exception>
    public static NumberTable<T> Read(string path, int columns = 0, T? missing = null)
    {
        using Stream stream = CompressedFile.OpenRead(path);
        var reader = new NumberCsv<T>(path, columns, missing);
        reader.ReadRows(stream);
        return new NumberTable<T>(path, reader._rows, reader._columns, [.. reader._values]);
    }

    private void ReadRows(Stream stream)
    {
        var buffer = new byte[FirstBuffer];
        int held = 0;
        while (true)
        {
            int read = CompressedFile.Fill(stream, _path, buffer.AsSpan(held));
            bool isLast = read < buffer.Length - held;
            held += read;
            int used = AddRows(buffer.AsSpan(0, held), isLast);
            if (isLast)
            {
                return;
            }

            buffer.AsSpan(used, held - used).CopyTo(buffer);
            held -= used;
            if (held > MaxRowBytes)
            {
                throw Malformed($"goes on for {held} bytes without a line end", "a row of numbers");
            }

            if (held == buffer.Length)
            {
                Array.Resize(ref buffer, 2 * held);
            }
        }
    }

    /// <summary>Adds the whole rows of <paramref name="bytes"/> and returns how many bytes they took.</summary>
    private int AddRows(ReadOnlySpan<byte> bytes, bool isLast)
    {
        int start = 0;
        while (start < bytes.Length)
        {
            int length = bytes[start..].IndexOf((byte)'\n');
            if (length < 0 && !isLast)
            {
                break;
            }

            ReadOnlySpan<byte> row = length < 0 ? bytes[start..] : bytes.Slice(start, length);
            start += length < 0 ? row.Length : length + 1;
            _rows++;
            AddRow(row.EndsWith("\r"u8) ? row[..^1] : row);
        }

        return start;
    }

    private void AddRow(ReadOnlySpan<byte> row)
    {
        int before = _values.Count;
        foreach (Range field in row.Split((byte)','))
        {
            _values.Add(Parse(row[field], _values.Count - before + 1));
        }

        int fields = _values.Count - before;
        _columns = _columns == 0 ? fields : _columns;
        if (fields != _columns)
        {
            throw Malformed($"has {fields} field{(fields == 1 ? string.Empty : "s")}", $"{_columns}");
        }
    }

    private T Parse(ReadOnlySpan<byte> field, int number)
    {
        if (field.IsEmpty && _missing is { } missing)
        {
            return missing;
        }

        return T.TryParse(field, CultureInfo.InvariantCulture, out T value)
            ? value
            : throw Malformed($"has '{Shown(field)}' in field {number}", typeof(T) == typeof(int) ? "a whole number" : "a number");
    }

    private static string Shown(ReadOnlySpan<byte> field)
    {
        const int Most = 20;
        return field.Length <= Most ? Encoding.UTF8.GetString(field) : Encoding.UTF8.GetString(field[..Most]) + "…";
    }

    private InvalidDataException Malformed(string found, string wanted) =>
        new($"{_path}: row {Math.Max(_rows, 1)} {found}; wanted {wanted}.");
}
