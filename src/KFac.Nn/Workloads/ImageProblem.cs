using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A workload on images, with the images.</summary>
public sealed class ImageProblem(ImageWorkload workload, ImageData data) : TrainingProblem
{
    /// <summary>The images.</summary>
    public ImageData Data { get; } = data;

    /// <inheritdoc/>
    public override string DataName => Data.Name;

    /// <inheritdoc/>
    public override int CountOf(DataPart part) => SetOf(part)?.Count ?? 0;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() => [Describe("training", Data.Train), Describe("validation", Data.Validation)];

    /// <inheritdoc/>
    public override Network CreateNetwork(Device device, ulong seed) =>
        new(device, workload.BuildModel(Data), workload.CreateLoss(), Workload.InitialisationKey(seed));

    /// <inheritdoc/>
    public override MiniBatch CreateBatch(DeviceStream stream, int capacity) => new ImageMiniBatch(stream, workload, this, capacity);

    /// <inheritdoc/>
    public override MetricMeter CreateMeter(DeviceStream stream) =>
        workload.Task == ImageTask.Classification ? new AccuracyMeter() : new ReconstructionMeter(stream);

    /// <summary>The images of a part; null where there are none.</summary>
    internal ImageSet? SetOf(DataPart part) => part switch
    {
        DataPart.Train => Data.Train,
        DataPart.Validation => Data.Validation,
        _ => null,
    };

    private static string Describe(string part, ImageSet images) =>
        FormattableString.Invariant($"{part} data={images.Count} images of checksum {images.Fingerprint():x8}");
}
