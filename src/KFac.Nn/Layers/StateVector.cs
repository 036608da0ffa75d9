using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Numbers that a layer keeps from step to step besides its parameters, for example running statistics.</summary>
/// <remarks>They are not trained and lie outside the flat parameter vectors, and checkpoints keep them
/// (<see cref="Network.VisitState"/>). The view exists once the network has allocated its parameters.</remarks>
public sealed class StateVector
{
    internal StateVector(string name, int length, float initialValue)
    {
        Name = name;
        Length = length;
        InitialValue = initialValue;
    }

    /// <summary>Unique within the network, for example <c>block1.norm.running_mean</c>.</summary>
    public string Name { get; }

    /// <summary>Number of values.</summary>
    public int Length { get; }

    /// <summary>What every value starts as.</summary>
    public float InitialValue { get; }

    /// <summary>The values, [Length].</summary>
    public VectorView<float> Values { get; private set; }

    internal void Allocate(DeviceStream stream, Arena arena)
    {
        Values = arena.Vector<float>(Length);
        Elementwise.Fill(stream, InitialValue, Values.AsMatrix(1, Length));
    }
}
