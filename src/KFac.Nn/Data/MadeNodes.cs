using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A made citation graph: communities that cite themselves more than others, and words that hint at the community.</summary>
/// <remarks>Stands in for Cora where no data is at hand. Degrees are uneven, one edge in five leaves its community, and a node's
/// words are its community's twice as often as a word should be by chance, so that neither words nor edges suffice alone.
/// The same seed gives the same graph on every machine.</remarks>
public static class MadeNodes
{
    /// <summary>Nodes of the graph.</summary>
    public const int Nodes = 2000;

    /// <summary>Communities; labels are 0 to 6.</summary>
    public const int Classes = 7;

    /// <summary>Features of a node: words that it has or has not.</summary>
    public const int Words = 280;

    private const int EdgesPerNode = 2;
    private const int WordsPerNode = 12;
    private const double OutsideShare = 0.2;
    private const double TopicShare = 0.25;
    private const int TrainPerClass = 20;
    private const int ValidationCount = 500;
    private const int TestCount = 1000;
    private const ulong Sequence = 0x4E4F_4445;

    /// <summary>Makes the graph: 20 nodes of each class train, 500 others validate, 1,000 others test.</summary>
    public static NodeData Make(ulong seed)
    {
        var random = new PhiloxGenerator(new PhiloxKey(seed, Sequence));
        var labels = new int[Nodes];
        for (int node = 0; node < Nodes; node++)
        {
            labels[node] = random.NextBelow(Classes);
        }

        (int[] sources, int[] targets) = Edges(labels, random);
        return new NodeData(
            "made nodes", new Graphs([0, Nodes], [0, sources.Length], sources, targets), Words, WordsOf(labels, random), Classes, labels, Split(labels, random));
    }

    private static (int[] Sources, int[] Targets) Edges(int[] labels, PhiloxGenerator random)
    {
        var sources = new List<int>(Nodes * EdgesPerNode);
        var targets = new List<int>(Nodes * EdgesPerNode);
        var known = new HashSet<(int, int)>();
        for (int node = 1; node < Nodes; node++)
        {
            for (int i = 0; i < EdgesPerNode; i++)
            {
                int cited = Cited(node, labels, random);
                if (known.Add((node, cited)))
                {
                    sources.Add(node);
                    targets.Add(cited);
                }
            }
        }

        return ([.. sources], [.. targets]);
    }

    /// <summary>An older node, the old ones more often, as a rule one of the same community.</summary>
    private static int Cited(int node, int[] labels, PhiloxGenerator random)
    {
        bool outside = random.NextUniform() < OutsideShare;
        const int Most = 50;
        int cited = 0;
        for (int attempt = 0; attempt < Most; attempt++)
        {
            cited = random.NextBelow(1 + random.NextBelow(node));
            if (outside || labels[cited] == labels[node])
            {
                break;
            }
        }

        return cited;
    }

    private static float[] WordsOf(int[] labels, PhiloxGenerator random)
    {
        const int TopicWords = Words / Classes;
        var features = new float[Nodes * Words];
        for (int node = 0; node < Nodes; node++)
        {
            for (int i = 0; i < WordsPerNode; i++)
            {
                int word = random.NextUniform() < TopicShare
                    ? (labels[node] * TopicWords) + random.NextBelow(TopicWords)
                    : random.NextBelow(Words);
                features[(node * Words) + word] = 1;
            }
        }

        return features;
    }

    private static DataSplit Split(int[] labels, PhiloxGenerator random)
    {
        int[] order = [.. Enumerable.Range(0, Nodes)];
        random.Shuffle(order.AsSpan());
        int[] train = [.. Enumerable.Range(0, Classes).SelectMany(label => order.Where(node => labels[node] == label).Take(TrainPerClass))];
        int[] others = [.. order.Except(train)];
        return new DataSplit(train, others[..ValidationCount], others[ValidationCount..(ValidationCount + TestCount)]);
    }
}
