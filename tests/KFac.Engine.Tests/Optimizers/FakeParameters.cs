using KFac.Kernels;
using KFac.Testing;

namespace KFac.Engine.Tests;

/// <summary>Parameters with gradients set by hand: one block a layer, and one without Kronecker structure at the end.</summary>
internal sealed class FakeParameters
{
    public const int PlainLength = 3;

    private readonly Device _device;

    public FakeParameters(Device device, Arena arena, IReadOnlyList<KroneckerLayer> layers, ulong seed = 1)
    {
        _device = device;
        var blocks = new List<ParameterBlock>();
        int offset = 0;
        for (int layer = 0; layer < layers.Count; layer++)
        {
            KroneckerLayer description = layers[layer];
            blocks.Add(new ParameterBlock(
                $"{description.Name}.weight", offset, description.OutputWidth, description.FactorInputWidth, layer));
            offset += description.OutputWidth * description.FactorInputWidth;
        }

        blocks.Add(new ParameterBlock("plain", offset, 1, PlainLength, -1));
        offset += PlainLength;
        Set = new ParameterSet(arena.Vector<float>(offset), arena.Vector<float>(offset), blocks);
        device.DefaultStream.Upload(TestData.Uniform(offset, seed), Set.Values);
    }

    public ParameterSet Set { get; }

    public float[] Values => _device.Read(Set.Values);

    public float[] SetGradients(ulong seed, float scale = 1)
    {
        float[] gradients = [.. TestData.Uniform(Set.Gradients.Length, seed).Select(value => scale * value)];
        _device.DefaultStream.Upload(gradients, Set.Gradients);
        return gradients;
    }
}
