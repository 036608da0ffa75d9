using System.Text.Json.Nodes;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>Tells the peer which network and step a workload's step is to be compared with.</summary>
internal static class StepPeer
{
    /// <param name="interval">Steps from one update of factors and inverses to the next; 0 for SGD.</param>
    /// <returns>Null where the peer has no such network, or no K-FAC for it.</returns>
    public static JsonObject? Describe(Workload workload, TrainingProblem problem, int interval) => (workload, problem) switch
    {
        (ConvolutionWorkload { Model: ConvolutionalModel.WideResNet16x4 } network, ImageProblem images) when interval == 0 =>
            WideResNet(network, images.Data),
        (VisionTransformerWorkload transformer, ImageProblem images) when interval == 0 => VisionTransformer(transformer, images.Data),
        (TextWorkload transformer, TextProblem text) when interval == 0 => GenerativeTransformer(transformer, text.Text.Vocabulary.Count),
        (PerceptronWorkload perceptron, ImageProblem images) => Perceptron(perceptron, images.Data, interval),
        _ => null,
    };

    private static JsonObject WideResNet(ConvolutionWorkload workload, ImageData data) => new()
    {
        ["case"] = "step",
        ["widening"] = 4,
        ["blocks"] = 2,
        ["channels"] = data.Train.Channels,
        ["height"] = data.Train.Height,
        ["imageWidth"] = data.Train.Width,
        ["outputs"] = data.Classes,
        ["batch"] = workload.BatchSize,
    };

    private static JsonObject VisionTransformer(VisionTransformerWorkload workload, ImageData data) => new()
    {
        ["case"] = "step",
        ["transformer"] = "vision",
        ["channels"] = data.Train.Channels,
        ["height"] = data.Train.Height,
        ["imageWidth"] = data.Train.Width,
        ["patch"] = workload.PatchSize,
        ["outputs"] = data.Classes,
        ["width"] = workload.Width,
        ["depth"] = workload.Depth,
        ["heads"] = workload.Heads,
        ["batch"] = workload.BatchSize,
    };

    private static JsonObject GenerativeTransformer(TextWorkload workload, int vocabulary) => new()
    {
        ["case"] = "step",
        ["transformer"] = "generative",
        ["length"] = workload.Length,
        ["outputs"] = vocabulary,
        ["width"] = workload.Width,
        ["depth"] = workload.Depth,
        ["heads"] = workload.Heads,
        ["batch"] = workload.BatchSize,
    };

    private static JsonObject Perceptron(PerceptronWorkload workload, ImageData data, int interval)
    {
        bool classify = workload.Task == ImageTask.Classification;
        int[] encoder = [data.Train.PixelCount, .. workload.HiddenWidths];
        int[] widths = classify ? [.. encoder, data.Classes] : [.. encoder, .. encoder.Reverse().Skip(1)];
        int[] linear = classify ? [widths.Length - 2] : [encoder.Length - 2, widths.Length - 2];
        return new JsonObject
        {
            ["case"] = "step",
            ["widths"] = new JsonArray([.. widths.Select(static width => JsonValue.Create(width))]),
            ["linearLayers"] = new JsonArray([.. linear.Select(static layer => JsonValue.Create(layer))]),
            ["activation"] = classify ? "relu" : "tanh",
            ["bias"] = !classify,
            ["classes"] = classify ? data.Classes : 0,
            ["batch"] = workload.BatchSize,
            ["interval"] = interval,
        };
    }
}
