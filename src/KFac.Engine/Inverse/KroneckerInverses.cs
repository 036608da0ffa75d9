using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The damped inverses of all layers' Kronecker factors, and their action on gradients.</summary>
/// <remarks>
/// Holds the inverses of both factors, or for <see cref="DampingStyle.Product"/> their eigenbases. A factor that cannot be
/// inverted is retried in float64, then with more damping; if nothing helps the last good inverse stays in use. Every such
/// event is counted and reported.
/// </remarks>
public abstract class KroneckerInverses : IStateful, IDisposable
{
    private readonly NumericalEventLog _log;
    private long _updates;

    private protected KroneckerInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
    {
        Stream = stream;
        Layers = layers;
        Options = options;
        Arena = new Arena(stream.Device);
        _log = new NumericalEventLog(layers, options.OnEvent);
    }

    /// <summary>Numerical events so far, by layer and kind.</summary>
    public IReadOnlyList<NumericalEventCount> Events => _log.ToCounts();

    private protected DeviceStream Stream { get; }

    private protected IReadOnlyList<KroneckerLayer> Layers { get; }

    private protected InverseOptions Options { get; }

    private protected Arena Arena { get; }

    /// <summary>Makes room for the inverses of every layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or a layer has no width.</exception>
    public static KroneckerInverses Create(Device device, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Create(device.DefaultStream, layers, options);
    }

    /// <summary>Inverts every layer's damped factors, all in one call to the device.</summary>
    /// <param name="factors">One pair a layer, in the order of the layers.</param>
    /// <exception cref="ArgumentException">The number of pairs or a shape is wrong; the inverses are untouched.</exception>
    public void Update(ReadOnlySpan<KroneckerPair> factors)
    {
        if (factors.Length != Layers.Count)
        {
            throw new ArgumentException($"There are {factors.Length} pairs of factors; wanted one for each of {Layers.Count} layers.");
        }

        for (int layer = 0; layer < factors.Length; layer++)
        {
            CheckSquare(factors[layer].A, Layers[layer].FactorInputWidth, "A", layer);
            if (Options.Style != DampingStyle.InputOnly)
            {
                CheckSquare(factors[layer].B, Layers[layer].OutputWidth, "B", layer);
            }
        }

        UpdateCore(factors);
        _updates++;
    }

    /// <summary>Applies a layer's damped inverse to a gradient: <c>update ← (A⊗B + damping)⁻¹ · gradient</c>.</summary>
    /// <param name="layer">Index of the layer.</param>
    /// <param name="gradient">∇W, [P_out, P_in] or [P_out, P_in + 1].</param>
    /// <param name="update">Alike; must not overlap the gradient.</param>
    /// <exception cref="InvalidOperationException">Nothing has been inverted yet.</exception>
    public void Apply(int layer, MatrixView<float> gradient, MatrixView<float> update)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Layers.Count);
        if (_updates == 0)
        {
            throw new InvalidOperationException("There are no inverses before the first update.");
        }

        KroneckerLayer description = Layers[layer];
        if (gradient.Rows != description.OutputWidth || gradient.Columns != description.FactorInputWidth)
        {
            throw new ArgumentException(
                $"The gradient of layer '{description.Name}' is {gradient}; wanted {description.OutputWidth}×{description.FactorInputWidth}.");
        }

        ApplyCore(layer, gradient, update);
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Integer("inverses.updates", ref _updates);
        VisitInverses(visitor);
        _log.VisitState(visitor);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Arena.Dispose();
        GC.SuppressFinalize(this);
    }

    internal static KroneckerInverses Create(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
    {
        ArgumentNullException.ThrowIfNull(layers);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        foreach (KroneckerLayer layer in layers)
        {
            OptionCheck.AtLeast(layer.InputWidth, 1, $"Input width of layer '{layer.Name}'");
            OptionCheck.AtLeast(layer.OutputWidth, 1, $"Output width of layer '{layer.Name}'");
        }

        return options.Style == DampingStyle.Product
            ? new EigenbasisInverses(stream, layers, options)
            : new FactorInverses(stream, layers, options);
    }

    private protected static int LargestGradient(IReadOnlyList<KroneckerLayer> layers)
    {
        int largest = 0;
        for (int layer = 0; layer < layers.Count; layer++)
        {
            largest = Math.Max(largest, checked(layers[layer].OutputWidth * layers[layer].FactorInputWidth));
        }

        return largest;
    }

    private protected abstract void UpdateCore(ReadOnlySpan<KroneckerPair> factors);

    private protected abstract void ApplyCore(int layer, MatrixView<float> gradient, MatrixView<float> update);

    private protected abstract void VisitInverses(IStateVisitor visitor);

    private protected void Record(int layer, string factor, NumericalEventKind kind) => _log.Record(layer, factor, kind);

    private void CheckSquare(MatrixView<float> matrix, int width, string factor, int layer)
    {
        if (matrix.Rows != width || matrix.Columns != width)
        {
            throw new ArgumentException($"Factor {factor} of layer '{Layers[layer].Name}' is {matrix}; wanted {width}×{width}.");
        }
    }
}
