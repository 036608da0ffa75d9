using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Collects the parameters of a network's modules and lays them out in one flat vector.</summary>
public sealed class ParameterRegistry
{
    private readonly List<LinearParameter> _linear = [];
    private readonly HashSet<string> _names = [];

    internal ParameterRegistry()
    {
    }

    internal IReadOnlyList<LinearParameter> Linear => _linear;

    /// <summary>Adds the weight and bias of a linear layer.</summary>
    /// <param name="layer">Its name must be unique within the network.</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public LinearParameter AddLinear(KroneckerLayer layer, WeightInitialization initialization)
    {
        ArgumentNullException.ThrowIfNull(layer);
        if (!_names.Add(layer.Name))
        {
            throw new ArgumentException($"Two layers are named '{layer.Name}'; wanted unique names.", nameof(layer));
        }

        var parameter = new LinearParameter(layer, _linear.Count, initialization);
        _linear.Add(parameter);
        return parameter;
    }

    /// <summary>Allocates values and gradients, zero-filled, and gives every layer its part.</summary>
    internal ParameterSet Allocate(DeviceStream stream, Arena arena)
    {
        var blocks = new List<ParameterBlock>(_linear.Count);
        int offset = 0;
        foreach (LinearParameter parameter in _linear)
        {
            KroneckerLayer layer = parameter.Layer;
            var block = new ParameterBlock(
                $"{layer.Name}.weight", offset, layer.OutputWidth, layer.FactorInputWidth, parameter.Index);
            blocks.Add(block);
            offset = checked(offset + (block.Rows * block.Columns));
        }

        var set = new ParameterSet(arena.Vector<float>(offset), arena.Vector<float>(offset), blocks);
        Elementwise.Fill(stream, 0f, set.Values.AsMatrix(1, offset));
        Elementwise.Fill(stream, 0f, set.Gradients.AsMatrix(1, offset));
        foreach (LinearParameter parameter in _linear)
        {
            ParameterBlock block = blocks[parameter.Index];
            parameter.Bind(set.ValuesOf(block), set.GradientsOf(block));
        }

        return set;
    }
}
