using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Made molecules: trees with a few rings, and tasks that ask for a bond of one kind between atoms of two kinds.</summary>
/// <remarks>Stands in for Tox21 where no data is at hand. A network solves a task only when it joins an edge's features with
/// those of both ends. One label in five is missing, and a few graphs are a single atom. The same seed gives the same
/// graphs on every machine.</remarks>
public static class MadeGraphs
{
    /// <summary>Graphs in all; 1,600 train, 200 validate, 200 test.</summary>
    public const int Count = 2000;

    private const int Tasks = 6;
    private const int Atoms = 5;
    private const int Charges = 3;
    private const int Bonds = 3;
    private const int MostNodes = 16;
    private const double RingShare = 0.15;
    private const double MissingShare = 0.2;
    private const ulong Sequence = 0x4752_4150;

    /// <summary>Makes the graphs.</summary>
    public static GraphData Make(ulong seed)
    {
        var random = new PhiloxGenerator(new PhiloxKey(seed, Sequence));
        var made = new Builder(random);
        for (int graph = 0; graph < Count; graph++)
        {
            made.AddGraph();
        }

        int[] order = [.. Enumerable.Range(0, Count)];
        return made.Build(new DataSplit(order[..1600], order[1600..1800], order[1800..]));
    }

    private sealed class Builder(PhiloxGenerator random)
    {
        private readonly List<int> _nodeOffsets = [0];
        private readonly List<int> _edgeOffsets = [0];
        private readonly List<int> _sources = [];
        private readonly List<int> _targets = [];
        private readonly List<int> _nodes = [];
        private readonly List<int> _edges = [];
        private readonly List<float> _labels = [];

        public void AddGraph()
        {
            int count = 1 + random.NextBelow(MostNodes);
            int first = _nodeOffsets[^1];
            int firstEdge = _edgeOffsets[^1];
            for (int node = 0; node < count; node++)
            {
                _nodes.Add(random.NextBelow(Atoms));
                _nodes.Add(random.NextBelow(Charges));
                if (node > 0)
                {
                    AddEdge(random.NextBelow(node), node);
                }

                if (node > 2 && random.NextUniform() < RingShare)
                {
                    AddEdge(random.NextBelow(node - 1), node);
                }
            }

            _nodeOffsets.Add(first + count);
            _edgeOffsets.Add(_sources.Count);
            for (int task = 0; task < Tasks; task++)
            {
                bool isMissing = random.NextUniform() < MissingShare;
                _labels.Add(isMissing ? float.NaN : Has(task, first, firstEdge) ? 1 : 0);
            }
        }

        public GraphData Build(DataSplit split) => new(
            "made graphs",
            new Graphs([.. _nodeOffsets], [.. _edgeOffsets], [.. _sources], [.. _targets]),
            2,
            _nodes.ToArray(),
            1,
            _edges.ToArray(),
            Tasks,
            _labels.ToArray(),
            split);

        private void AddEdge(int source, int target)
        {
            _sources.Add(source);
            _targets.Add(target);
            _edges.Add(random.NextBelow(Bonds));
        }

        /// <summary>Whether a bond of kind <c>task mod 3</c> joins an atom of kind <c>task mod 5</c> and one of the next kind.</summary>
        private bool Has(int task, int firstNode, int firstEdge)
        {
            int one = task % Atoms;
            int other = (one + 1) % Atoms;
            for (int edge = firstEdge; edge < _sources.Count; edge++)
            {
                int source = _nodes[2 * (firstNode + _sources[edge])];
                int target = _nodes[2 * (firstNode + _targets[edge])];
                if (_edges[edge] == task % Bonds && ((source == one && target == other) || (source == other && target == one)))
                {
                    return true;
                }
            }

            return false;
        }
    }
}
