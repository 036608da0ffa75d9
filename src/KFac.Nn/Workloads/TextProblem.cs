using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A text cut into windows, each an example: T characters, and the T characters that follow each of them.</summary>
/// <remarks>Windows don't overlap. In training all windows of a step begin by one random number of characters later than they are
/// cut, so that in time every place of the text is a window's start.</remarks>
public sealed class TextProblem : TrainingProblem
{
    private readonly TextWorkload _workload;

    /// <summary>Cuts the text.</summary>
    /// <exception cref="InvalidDataException">A part is shorter than a window.</exception>
    public TextProblem(TextWorkload workload, TextCorpus text)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(text);
        _workload = workload;
        Text = text;
        if (CountOf(DataPart.Train) < 1 || CountOf(DataPart.Validation) < 1)
        {
            throw new InvalidDataException(
                $"{text.Name} has {text.Train.Length} + {text.Validation.Length} characters; wanted at least {2 * workload.Length} to train on and {workload.Length + 1} to validate on.");
        }
    }

    /// <summary>The text.</summary>
    public TextCorpus Text { get; }

    /// <inheritdoc/>
    public override string DataName => Text.Name;

    /// <inheritdoc/>
    public override int LargestEvaluationBatch => 64;

    /// <inheritdoc/>
    public override int MostTrainExamplesEvaluated => 1000;

    /// <inheritdoc/>
    /// <remarks>A training window keeps T − 1 characters behind it for the shift.</remarks>
    public override int CountOf(DataPart part) => part switch
    {
        DataPart.Train => (Text.Train.Length - _workload.Length) / _workload.Length,
        DataPart.Validation => (Text.Validation.Length - 1) / _workload.Length,
        _ => 0,
    };

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() =>
    [
        FormattableString.Invariant($"vocabulary={Text.Vocabulary.Count} characters"),
        Describe("training", Text.Train),
        Describe("validation", Text.Validation),
    ];

    /// <inheritdoc/>
    public override Network CreateNetwork(Device device, ulong seed) =>
        new(device, _workload.BuildModel(Text.Vocabulary.Count), new CrossEntropyLoss(), Workload.InitialisationKey(seed));

    /// <inheritdoc/>
    public override MiniBatch CreateBatch(DeviceStream stream, int capacity) => new TextMiniBatch(stream, this, capacity, _workload.Length);

    /// <inheritdoc/>
    public override MetricMeter CreateMeter(DeviceStream stream) => new TextMeter();

    private static string Describe(string part, ReadOnlySpan<int> characters)
    {
        uint checksum = Checksum.Finish(Checksum.Append(Checksum.Initial, MemoryMarshal.AsBytes(characters)));
        return FormattableString.Invariant($"{part} data={characters.Length} characters of checksum {checksum:x8}");
    }
}
