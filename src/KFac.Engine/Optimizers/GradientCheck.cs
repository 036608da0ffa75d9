using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Refuses gradients with a NaN or an infinity, naming the parameter and the first such element.</summary>
internal sealed class GradientCheck(DeviceStream stream, Arena arena)
{
    private readonly VectorView<long> _found = arena.Vector<long>(1);

    /// <exception cref="NonFiniteCaptureException">A gradient is not finite.</exception>
    public void ThrowIfNotFinite(ParameterSet parameters)
    {
        VectorView<float> gradients = parameters.Gradients;
        Reduction.FirstNonFinite(stream, gradients.AsMatrix(1, gradients.Length), _found);
        long index = stream.Read(_found);
        if (index != Reduction.None)
        {
            throw Locate(parameters.Blocks, index);
        }
    }

    /// <summary>Names an element of the gradients.</summary>
    public static NonFiniteCaptureException Locate(IReadOnlyList<ParameterBlock> blocks, long index)
    {
        ParameterBlock block = blocks.Last(block => block.Offset <= index);
        long inside = index - block.Offset;
        return new NonFiniteCaptureException(block.Name, "weight gradients", inside / block.Columns, inside % block.Columns);
    }
}
