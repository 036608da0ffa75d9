using KFac.Kernels;

namespace KFac.Engine;

/// <summary>One parameter matrix inside a <see cref="ParameterSet"/>.</summary>
/// <param name="Name">Unique, for example <c>layer1.weight</c>.</param>
/// <param name="Offset">First element in the flat vectors.</param>
/// <param name="Rows">P_out for a linear layer.</param>
/// <param name="Columns">P_in, or P_in + 1 with the bias as the last column.</param>
/// <param name="Layer">Index of its Kronecker layer, or −1 for a parameter without Kronecker structure.</param>
public sealed record ParameterBlock(string Name, int Offset, int Rows, int Columns, int Layer);

/// <summary>All parameters of a model in one flat vector, and their gradients in another.</summary>
/// <param name="Values">θ.</param>
/// <param name="Gradients">∇θ of the mean-reduced training loss.</param>
/// <param name="Blocks">The matrices inside, in order and without gaps.</param>
public sealed record ParameterSet(VectorView<float> Values, VectorView<float> Gradients, IReadOnlyList<ParameterBlock> Blocks)
{
    /// <summary>A block's values as a matrix.</summary>
    public MatrixView<float> ValuesOf(ParameterBlock block) => View(Values, block);

    /// <summary>A block's gradients as a matrix.</summary>
    public MatrixView<float> GradientsOf(ParameterBlock block) => View(Gradients, block);

    /// <summary>The part of another flat vector, laid out alike, that belongs to a block.</summary>
    public static MatrixView<float> View(VectorView<float> flat, ParameterBlock block)
    {
        ArgumentNullException.ThrowIfNull(block);
        return flat.Slice(block.Offset, block.Rows * block.Columns).AsMatrix(block.Rows, block.Columns);
    }

    /// <summary>Refuses parameters of another device before memory is taken for them.</summary>
    /// <exception cref="ArgumentException">They lie elsewhere.</exception>
    internal void RequireOn(Device device)
    {
        if (Values.Buffer is { } buffer && !ReferenceEquals(buffer.Device, device))
        {
            throw new ArgumentException(
                $"The parameters lie on device '{buffer.Device.Name}', and another device '{device.Name}' is given; wanted theirs.", nameof(device));
        }
    }
}
