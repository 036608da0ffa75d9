using KFac.Kernels;

namespace KFac.Nn.Tests;

/// <summary>A workload of each kind, small enough to train on the processor that stands in for a GPU.</summary>
internal static class SmallWorkload
{
    private const int Side = 8;

    /// <summary>Workloads whose batches all have one shape.</summary>
    public static string[] Repeatable { get; } = ["perceptron", "autoencoder", "cnn", "vit", "gpt", "gcn"];

    /// <summary>Workloads whose batches differ in their number of rows.</summary>
    public static string[] Ragged { get; } = ["sequences", "molecules"];

    public static (Workload Workload, TrainingProblem Problem) Make(string name) => name switch
    {
        "perceptron" => Of(PerceptronWorkload.MnistMlp with { HiddenWidths = [9, 7], BatchSize = 24 }),
        "autoencoder" => Of(PerceptronWorkload.MnistAutoencoder with { HiddenWidths = [9, 4], BatchSize = 24 }),
        "cnn" => Of(new ConvolutionsOfThree { Name = "cnn", BatchSize = 16, Epochs = 1, Layout = ImageLayout.Pixels }),
        "vit" => Of(VisionTransformerWorkload.Mnist with { PatchSize = 4, Width = 8, Depth = 1, Heads = 2, BatchSize = 16 }),
        "gpt" => Text(TextWorkload.ShakespeareGpt with { Length = 6, Width = 8, Depth = 1, Heads = 2, BatchSize = 8, Dropout = 0.1f }),
        "gcn" => Nodes(GraphConvolutionWorkload.Cora with { HiddenWidths = [6], BatchSize = 20 }),
        "sequences" => Loaded(SequenceWorkload.CopyTransformer with
        {
            Width = 8,
            HiddenWidth = 8,
            Depth = 1,
            Heads = 2,
            BatchSize = 8,
            TrainCount = 64,
            ValidationCount = 8,
        }),
        "molecules" => Loaded(GraphNetworkWorkload.Tox21 with { Width = 8, Blocks = 1, BatchSize = 8 }),
        _ => throw new ArgumentException(name),
    };

    private static (Workload Workload, TrainingProblem Problem) Of(ImageWorkload workload) =>
        (workload, new ImageProblem(workload, ImageData.Split("made", 4, Images(80), 64)));

    private static (Workload Workload, TrainingProblem Problem) Text(TextWorkload workload) =>
        (workload, new TextProblem(workload, TextCorpus.FromText("made", MadeText.Make(1_000, 1))));

    private static (Workload Workload, TrainingProblem Problem) Loaded(Workload workload) => (workload, workload.Load(null, 1));

    /// <summary>Grey noise with a bright quarter, which is the label.</summary>
    private static ImageSet Images(int count)
    {
        var random = new PhiloxGenerator(new PhiloxKey(1, 2));
        var pixels = new byte[count * Side * Side];
        var labels = new byte[count];
        for (int i = 0; i < pixels.Length; i++)
        {
            int image = i / (Side * Side);
            (int row, int column) = (i / Side % Side, i % Side);
            labels[image] = (byte)(image % 4);
            bool isBright = (2 * (row / (Side / 2))) + (column / (Side / 2)) == labels[image];
            pixels[i] = (byte)(random.NextBelow(90) + (isBright ? 150 : 0));
        }

        return new ImageSet(Side, Side, pixels, labels);
    }

    /// <summary>A ring of forty nodes, every other of one class.</summary>
    private static (Workload Workload, TrainingProblem Problem) Nodes(GraphConvolutionWorkload workload)
    {
        const int Count = 40;
        const int Features = 9;
        int[] nodes = [.. Enumerable.Range(0, Count)];
        var random = new PhiloxGenerator(new PhiloxKey(3, 4));
        float[] features = [.. Enumerable.Range(0, Count * Features).Select(i => (float)random.NextBelow(2) + (i / Features % 2))];
        var graph = new Graphs([0, Count], [0, Count], nodes, [.. nodes.Select(node => (node + 2) % Count)]);
        var split = new DataSplit(nodes[..20], nodes[20..30], nodes[30..]);
        return (workload, new NodeProblem(workload, new NodeData("ring", graph, Features, features, 2, nodes.Select(node => node % 2).ToArray(), split)));
    }

    /// <summary>Two convolutions of three channels and a hidden layer narrower than its batch.</summary>
    private sealed record ConvolutionsOfThree : ImageWorkload
    {
        public override Module BuildModel(ImageData data) => SimpleConvolutionalNetwork.Build(new SimpleConvolutionalNetworkOptions
        {
            Image = new ImageSize(Side, Side, 1),
            Channels = [3, 3],
            HiddenWidth = 6,
            Classes = data.Classes,
        });
    }
}
