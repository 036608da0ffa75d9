using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Collects what a network's modules train and keep, and lays the parameters out in one flat vector, in the order of
/// their registration.</summary>
/// <remarks>A module that is used several times registers once (<see cref="Module.Register"/>) and uses the same parameter in
/// each of its calls.</remarks>
public sealed class ParameterRegistry
{
    private readonly List<Parameter> _parameters = [];
    private readonly List<LinearParameter> _linear = [];
    private readonly List<StateVector> _state = [];
    private readonly HashSet<string> _names = [];

    internal ParameterRegistry()
    {
    }

    internal IReadOnlyList<Parameter> Parameters => _parameters;

    internal IReadOnlyList<LinearParameter> Linear => _linear;

    internal IReadOnlyList<StateVector> State => _state;

    /// <summary>Adds the weight and bias of a linear layer.</summary>
    /// <param name="layer">Its name must be unique within the network.</param>
    /// <param name="initialization">How the weights start.</param>
    /// <param name="standardDeviation">Of normal initial weights instead; null to follow <paramref name="initialization"/>.</param>
    /// <param name="normalization">Whether the rows of the weight have lengths of their own.</param>
    /// <exception cref="ArgumentException">The name is taken, the deviation is not finite, or a normalised weight shall start as zeros, which have no direction.</exception>
    public LinearParameter AddLinear(
        KroneckerLayer layer,
        WeightInitialization initialization,
        float? standardDeviation = null,
        WeightNormalization normalization = WeightNormalization.None)
    {
        ArgumentNullException.ThrowIfNull(layer);
        TakeName(layer.Name);
        if (!Enum.IsDefined(normalization) || (normalization != WeightNormalization.None && initialization == WeightInitialization.Zero))
        {
            throw new ArgumentException(
                $"Layer '{layer.Name}' is given normalization {normalization} and initialization {initialization}; "
                + $"wanted one of {string.Join(", ", Enum.GetNames<WeightNormalization>())}, and weights other than zeros where it is not None.");
        }

        var parameter = new LinearParameter(
            layer, _linear.Count, initialization, ParameterInitialization.Normal(standardDeviation ?? 0), normalization);
        parameter.Initialization.Validate(layer.Name);
        _linear.Add(parameter);
        _parameters.Add(parameter);
        if (normalization == WeightNormalization.Learned)
        {
            TakeName($"{layer.Name}.weight_g");
            parameter.Gain = new WeightGain($"{layer.Name}.weight_g", parameter);
            _parameters.Add(parameter.Gain);
        }

        return parameter;
    }

    /// <summary>Adds a matrix without Kronecker structure.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <param name="rows">At least 1.</param>
    /// <param name="columns">At least 1.</param>
    /// <exception cref="ArgumentException">The name is taken, or the initial values are not finite.</exception>
    public Parameter AddMatrix(string name, int rows, int columns, ParameterInitialization initialization)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        initialization.Validate(name);
        TakeName(name);
        var parameter = new Parameter(name, rows, columns, initialization);
        _parameters.Add(parameter);
        return parameter;
    }

    /// <summary>Adds a vector without Kronecker structure; it is one row.</summary>
    /// <inheritdoc cref="AddMatrix"/>
    public Parameter AddVector(string name, int length, ParameterInitialization initialization) =>
        AddMatrix(name, 1, length, initialization);

    /// <summary>Adds numbers that are kept from step to step without being trained.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <param name="length">At least 1.</param>
    /// <param name="initialValue">What each of them starts as.</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public StateVector AddState(string name, int length, float initialValue)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        TakeName(name);
        var state = new StateVector(name, length, initialValue);
        _state.Add(state);
        return state;
    }

    /// <summary>Tells a module with parameters whether it shall add them now: false when it has done so in this registry.</summary>
    /// <param name="seen">The module's field for the registry that it belongs to.</param>
    /// <param name="name">The module's, for the message.</param>
    /// <exception cref="InvalidOperationException">The module belongs to another network.</exception>
    public bool IsFirstVisit(ref ParameterRegistry? seen, string name)
    {
        if (ReferenceEquals(seen, this))
        {
            return false;
        }

        if (seen is not null)
        {
            throw new InvalidOperationException($"Layer '{name}' already belongs to another network; build a new one.");
        }

        seen = this;
        return true;
    }

    /// <summary>Allocates parameters, gradients and state, and writes their initial values.</summary>
    /// <param name="key">Each parameter draws from a sequence of its own; nothing is drawn where there is no memory (<see cref="Device.IsPlan"/>).</param>
    internal ParameterSet Allocate(DeviceStream stream, Arena arena, PhiloxKey key)
    {
        ParameterSet set = LayOut(arena);
        Elementwise.Fill(stream, 0f, set.Values.AsMatrix(1, set.Values.Length));
        Elementwise.Fill(stream, 0f, set.Gradients.AsMatrix(1, set.Gradients.Length));
        int plain = 0;
        for (int i = 0; i < _parameters.Count; i++)
        {
            Parameter parameter = _parameters[i];
            parameter.Bind(set, set.Blocks[i]);
            if (!stream.Device.IsPlan)
            {
                parameter.Initialize(stream, parameter.LayerIndex >= 0 ? LayerKey(key, parameter.LayerIndex) : PlainKey(key, plain++));
            }
        }

        foreach (StateVector state in _state)
        {
            state.Allocate(stream, arena);
        }

        return set;
    }

    private static PhiloxKey LayerKey(PhiloxKey key, int index) => key with { Sequence = key.Sequence ^ ((ulong)(index + 1) << 32) };

    /// <summary>Apart from the layers' sequences, so that a plain parameter more changes no layer's weights.</summary>
    private static PhiloxKey PlainKey(PhiloxKey key, int index) => LayerKey(key with { Sequence = key.Sequence ^ (1UL << 63) }, index);

    private ParameterSet LayOut(Arena arena)
    {
        var blocks = new List<ParameterBlock>(_parameters.Count);
        int offset = 0;
        foreach (Parameter parameter in _parameters)
        {
            blocks.Add(new ParameterBlock(parameter.Name, offset, parameter.Rows, parameter.Columns, parameter.LayerIndex));
            offset = checked(offset + (parameter.Rows * parameter.Columns));
        }

        return new ParameterSet(arena.Vector<float>(offset), arena.Vector<float>(offset), blocks);
    }

    private void TakeName(string name)
    {
        if (!_names.Add(name))
        {
            throw new ArgumentException($"Two layers or parameters are named '{name}'; wanted unique names.", nameof(name));
        }
    }
}
