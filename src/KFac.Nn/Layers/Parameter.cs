using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One named matrix that is trained, inside the network's flat parameter vectors.</summary>
/// <remarks>Its views exist once the network has allocated its parameters. A backward pass with weight gradients adds every use's
/// contribution: <c>gradient ← contribution + beta·gradient</c> with the beta of <see cref="StartContribution"/>. The
/// gradient of a parameter that the pass does not reach becomes zero.</remarks>
public class Parameter
{
    private long _writtenInPass;
    private long _leftOutInPass;

    internal Parameter(string name, int rows, int columns, ParameterInitialization initialization)
    {
        Name = name;
        Rows = rows;
        Columns = columns;
        Initialization = initialization;
    }

    /// <summary>Unique within the network, for example <c>block1.norm.weight</c>.</summary>
    public string Name { get; }

    /// <summary>Rows of the matrix; 1 for a vector.</summary>
    public int Rows { get; }

    /// <summary>Columns of the matrix.</summary>
    public int Columns { get; }

    /// <summary>How the values start.</summary>
    public ParameterInitialization Initialization { get; }

    /// <summary>Position among the Kronecker layers, or −1.</summary>
    public virtual int LayerIndex => -1;

    /// <summary>θ, [Rows, Columns], contiguous.</summary>
    public MatrixView<float> Values { get; private set; }

    /// <summary>∇θ, [Rows, Columns], contiguous.</summary>
    public MatrixView<float> Gradients { get; private set; }

    /// <summary>What to multiply the old gradient by before adding to it: 0 for the pass's first contribution, then 1.</summary>
    public float StartContribution(BackwardPass pass)
    {
        ArgumentNullException.ThrowIfNull(pass);
        bool first = _writtenInPass != pass.Number;
        _writtenInPass = pass.Number;
        return first ? 0f : 1f;
    }

    /// <summary>What it is in a file: a vector [Columns], or a matrix.</summary>
    internal virtual IEnumerable<TensorSlot> Slots() => Rows == 1
        ? [new TensorSlot(Name, Columns, 1, 0, 1, [])]
        : [new TensorSlot(Name, Rows, Columns, 0, Columns, [Columns])];

    /// <summary>A contribution of the pass is kept elsewhere.</summary>
    internal void LeaveOut(BackwardPass pass) => _leftOutInPass = pass.Number;

    /// <summary>Draws or sets the initial values.</summary>
    internal virtual void Initialize(DeviceStream stream, PhiloxKey key) => Initialization.Write(stream, key, Values.AsVector());

    internal void Bind(ParameterSet set, ParameterBlock block)
    {
        Values = set.ValuesOf(block);
        Gradients = set.GradientsOf(block);
    }

    /// <summary>Zeroes the gradient of a parameter that the pass did not reach.</summary>
    internal void ZeroUnlessWritten(DeviceStream stream, long pass)
    {
        if (_writtenInPass != pass && _leftOutInPass != pass)
        {
            Elementwise.Fill(stream, 0f, Gradients);
        }
    }
}
