using System.Text.Json;
using System.Text.Json.Serialization;

namespace KFac.Nn;

/// <summary>How well a model does: one number for each of <see cref="Workload.MetricNames"/>.</summary>
/// <remarks>As JSON an object with one member per metric, in order.</remarks>
[JsonConverter(typeof(MetricsJsonConverter))]
public sealed class Metrics : IEquatable<Metrics>
{
    private readonly double[] _values;

    /// <summary>Copies the values.</summary>
    /// <exception cref="ArgumentException">There are not as many values as names.</exception>
    public Metrics(IReadOnlyList<string> names, ReadOnlySpan<double> values)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (names.Count != values.Length)
        {
            throw new ArgumentException($"There are {values.Length} values for {names.Count} metrics.", nameof(values));
        }

        Names = names;
        _values = values.ToArray();
    }

    /// <summary>Names, in order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>One per name.</summary>
    public ReadOnlySpan<double> Values => _values;

    /// <summary>Mean loss on training examples.</summary>
    public double TrainLoss => Get(MetricDefinition.Loss.NameIn(DataPart.Train));

    /// <summary>Mean loss on validation examples.</summary>
    public double ValidationLoss => Get(MetricDefinition.Loss.NameIn(DataPart.Validation));

    /// <summary>A metric by its name.</summary>
    /// <exception cref="ArgumentException">There is no such metric here.</exception>
    public double Get(string name)
    {
        for (int i = 0; i < _values.Length; i++)
        {
            if (Names[i] == name)
            {
                return _values[i];
            }
        }

        throw new ArgumentException($"There is no metric '{name}'; wanted {string.Join(" or ", Names)}.", nameof(name));
    }

    /// <inheritdoc/>
    public bool Equals(Metrics? other) => other is not null && Names.SequenceEqual(other.Names) && Values.SequenceEqual(other.Values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Metrics);

    /// <inheritdoc/>
    public override int GetHashCode() => _values.Length == 0 ? 0 : HashCode.Combine(_values.Length, _values[0]);

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", Names.Select((name, i) => FormattableString.Invariant($"{name} {_values[i]}")));
}

/// <summary>Metrics as a JSON object; they are written only.</summary>
public sealed class MetricsJsonConverter : JsonConverter<Metrics>
{
    /// <inheritdoc/>
    public override Metrics Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("Metrics are written as JSON, not read.");

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, Metrics value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(value);
        writer.WriteStartObject();
        for (int i = 0; i < value.Names.Count; i++)
        {
            writer.WriteNumber(value.Names[i], value.Values[i]);
        }

        writer.WriteEndObject();
    }
}
