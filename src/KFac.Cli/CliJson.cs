using System.Text.Json;
using System.Text.Json.Serialization;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>Serialisers of the commands' JSON results; keys are camelCase and part of the public interface.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DevicesResult))]
[JsonSerializable(typeof(EighResult))]
[JsonSerializable(typeof(FactorsResult))]
[JsonSerializable(typeof(InverseResult))]
[JsonSerializable(typeof(PreconditionResult))]
[JsonSerializable(typeof(TrainReport))]
[JsonSerializable(typeof(ModelSummary))]
[JsonSerializable(typeof(GridReport))]
[JsonSerializable(typeof(TuneReport))]
[JsonSerializable(typeof(ExactnessResult))]
[JsonSerializable(typeof(BenchResult))]
internal sealed partial class CliJson : JsonSerializerContext
{
    /// <summary>For files that people read.</summary>
    public static CliJson Indented { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
    });
}
