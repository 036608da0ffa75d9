using KFac.Kernels;

namespace KFac.Engine;

/// <summary>How parameters and Kronecker layers belong together.</summary>
internal static class KfacBlocks
{
    /// <summary>Every layer has one block, of its shape.</summary>
    /// <exception cref="ArgumentException">Parameters and layers do not fit; the message names both.</exception>
    public static void Check(IReadOnlyList<KroneckerLayer> layers, IReadOnlyList<ParameterBlock> blocks)
    {
        var seen = new bool[layers.Count];
        foreach (ParameterBlock block in blocks)
        {
            if (block.Layer < 0)
            {
                continue;
            }

            if (block.Layer >= layers.Count || seen[block.Layer])
            {
                throw new ArgumentException(
                    $"Parameter '{block.Name}' belongs to layer {block.Layer}; wanted one parameter for each of {layers.Count} layers.");
            }

            KroneckerLayer layer = layers[block.Layer];
            seen[block.Layer] = true;
            if (block.Rows != layer.OutputWidth || block.Columns != layer.FactorInputWidth)
            {
                throw new ArgumentException(
                    $"Parameter '{block.Name}' is {block.Rows}×{block.Columns}; layer '{layer.Name}' wants {layer.OutputWidth}×{layer.FactorInputWidth}.");
            }
        }

        int missing = Array.IndexOf(seen, false);
        if (missing >= 0)
        {
            throw new ArgumentException($"Layer '{layers[missing].Name}' has no parameter.");
        }
    }

    /// <summary>The parts of a flat vector that belong to layers; blocks that follow each other in memory are one part.</summary>
    public static VectorView<float>[] LayerRuns(VectorView<float> flat, IReadOnlyList<ParameterBlock> blocks)
    {
        var runs = new List<(int First, int End)>();
        foreach (ParameterBlock block in blocks.Where(static block => block.Layer >= 0).OrderBy(static block => block.Offset))
        {
            int end = block.Offset + (block.Rows * block.Columns);
            if (runs.Count > 0 && runs[^1].End == block.Offset)
            {
                runs[^1] = (runs[^1].First, end);
            }
            else
            {
                runs.Add((block.Offset, end));
            }
        }

        return [.. runs.Select(run => flat.Slice(run.First, run.End - run.First))];
    }
}
