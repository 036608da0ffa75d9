using System.Text.Json;

namespace KFac.Nn;

/// <summary>Where a tensor lies in a safetensors file.</summary>
/// <param name="Type">F32, F64, F16, BF16, I64, I32, U8 or BOOL.</param>
/// <param name="Length">Elements.</param>
/// <param name="Begin">First byte, counted from the end of the header.</param>
/// <param name="End">Byte after the last.</param>
internal sealed record SafetensorsEntry(string Name, string Type, IReadOnlyList<int> Shape, int Length, long Begin, long End)
{
    public int ElementBytes => SafetensorsHeader.BytesOf(Type);
}

/// <summary>The JSON header of a safetensors file.</summary>
/// <remarks>An object with one member per tensor, <c>"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}</c>, and perhaps
/// <c>"__metadata__"</c>, an object of texts, which is read over.</remarks>
internal static class SafetensorsHeader
{
    private const string Metadata = "__metadata__";

    /// <summary>Bytes of an element; 0 for a type that is not read.</summary>
    public static int BytesOf(string type) => type switch
    {
        "F64" or "I64" => 8,
        "F32" or "I32" => 4,
        "F16" or "BF16" => 2,
        "U8" or "BOOL" => 1,
        _ => 0,
    };

    public static byte[] Write(IReadOnlyList<SafetensorsTensor> tensors)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            var names = new HashSet<string> { Metadata };
            long offset = 0;
            writer.WriteStartObject();
            foreach (SafetensorsTensor tensor in tensors)
            {
                Check(tensor, names);
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", "F32");
                WriteNumbers(writer, "shape", tensor.Shape.Select(static size => (long)size));
                WriteNumbers(writer, "data_offsets", [offset, offset += sizeof(float) * (long)tensor.Values.Length]);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        return bytes.ToArray();
    }

    /// <summary>The tensors in the order of their data, which must fill <paramref name="dataLength"/> bytes without overlap or hole.</summary>
    /// <exception cref="InvalidDataException">One line names the file and what is wrong.</exception>
    public static IReadOnlyList<SafetensorsEntry> Read(string path, byte[] json, long dataLength)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            var entries = new List<SafetensorsEntry>();
            var names = new HashSet<string>();
            foreach (JsonProperty member in document.RootElement.EnumerateObject())
            {
                if (!names.Add(member.Name))
                {
                    throw new InvalidDataException($"{path} holds two tensors named '{member.Name}'; wanted unique names.");
                }

                if (member.Name != Metadata)
                {
                    entries.Add(Entry(path, member.Name, member.Value));
                }
            }

            entries.Sort(static (left, right) => (left.Begin, left.End).CompareTo((right.Begin, right.End)));
            CheckPlaces(path, entries, dataLength);
            return entries;
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new InvalidDataException(
                $"The header of {path} is malformed; wanted a JSON object that gives each tensor's dtype, shape and data_offsets.", failure);
        }
    }

    private static SafetensorsEntry Entry(string path, string name, JsonElement value)
    {
        string type = value.GetProperty("dtype").GetString() ?? string.Empty;
        int[] shape = [.. value.GetProperty("shape").EnumerateArray().Select(static size => size.GetInt32())];
        long[] place = [.. value.GetProperty("data_offsets").EnumerateArray().Select(static offset => offset.GetInt64())];
        if (BytesOf(type) == 0)
        {
            throw new InvalidDataException($"{path}: tensor '{name}' has type {type}; wanted F32, F64, F16, BF16, I64, I32, U8 or BOOL.");
        }

        long length = 1;
        foreach (int size in shape)
        {
            length = size < 0 || length > int.MaxValue ? long.MaxValue : length * size;
        }

        if (length > int.MaxValue || place.Length != 2 || place[0] < 0 || place[1] - place[0] != length * BytesOf(type))
        {
            throw new InvalidDataException(
                $"{path}: tensor '{name}' of type {type} and shape [{string.Join(", ", shape)}] lies at [{string.Join(", ", place)}]; "
                + "wanted as many bytes as its shape says, and fewer than 2³¹ elements.");
        }

        return new SafetensorsEntry(name, type, shape, (int)length, place[0], place[1]);
    }

    private static void CheckPlaces(string path, List<SafetensorsEntry> entries, long dataLength)
    {
        long end = 0;
        foreach (SafetensorsEntry entry in entries)
        {
            if (entry.Begin != end)
            {
                string what = entry.Begin < end ? "overlaps the tensor before it" : "leaves a hole before it";
                throw new InvalidDataException($"{path}: tensor '{entry.Name}' begins at byte {entry.Begin} of the data and {what}; wanted byte {end}.");
            }

            end = entry.End;
        }

        if (end != dataLength)
        {
            string what = dataLength < end ? "is truncated" : "has bytes that belong to no tensor";
            throw new InvalidDataException($"{path} {what}: {dataLength} bytes of data for tensors of {end}.");
        }
    }

    private static void Check(SafetensorsTensor tensor, HashSet<string> names)
    {
        if (!names.Add(tensor.Name))
        {
            throw new ArgumentException($"Two tensors are named '{tensor.Name}', or the name is reserved; wanted unique names.");
        }

        long length = tensor.Shape.Aggregate(1L, static (product, size) => product * size);
        if (length != tensor.Values.Length)
        {
            throw new ArgumentException(
                $"Tensor '{tensor.Name}' of shape [{string.Join(", ", tensor.Shape)}] has {tensor.Values.Length} values; wanted {length}.");
        }
    }

    private static void WriteNumbers(Utf8JsonWriter writer, string name, IEnumerable<long> numbers)
    {
        writer.WriteStartArray(name);
        foreach (long number in numbers)
        {
            writer.WriteNumberValue(number);
        }

        writer.WriteEndArray();
    }
}
