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
    private readonly int[] _mostRows;
    private readonly InverseArguments _arguments;
    private VectorView<float> _product;
    private VectorView<float> _innerProducts;
    private long _updates;

    private protected KroneckerInverses(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
    {
        Stream = stream;
        Layers = layers;
        Options = options;
        Arena = new Arena(stream.Device);
        _arguments = new InverseArguments(layers, options);
        _log = new NumericalEventLog(layers, options.OnEvent);
        _mostRows = [.. layers.Select(layer => RowCost.MostRows(options.Style, layer))];
    }

    /// <summary>Numerical events so far, by layer and kind.</summary>
    public IReadOnlyList<NumericalEventCount> Events => _log.ToCounts();

    /// <summary>Stands for where the inverses lie and with which numbers they are applied: while it is the same,
    /// <see cref="Apply"/> gives the device the same work. Null where rows make an inverse, whose number changes.</summary>
    internal abstract ulong? Mark { get; }

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
    public void Update(ReadOnlySpan<KroneckerPair> factors) => Update(factors, default);

    /// <summary><see cref="Update(ReadOnlySpan{KroneckerPair})"/> for gradients of which the number of rows is known.</summary>
    /// <param name="rows">By layer, the rows that its gradients are expected to be given by; 0 where they are matrices. Empty where all are.
    /// What is expected changes what is fast, not what is right.</param>
    internal void Update(ReadOnlySpan<KroneckerPair> factors, ReadOnlySpan<int> rows)
    {
        _arguments.CheckFactors(factors);
        UpdateCore(factors, rows);
        _updates++;
    }

    /// <summary>Applies a layer's damped inverse to a gradient: <c>update ← (A⊗B + damping)⁻¹ · gradient</c>.</summary>
    /// <param name="layer">Index of the layer.</param>
    /// <param name="gradient">∇W, [P_out, P_in] or [P_out, P_in + 1].</param>
    /// <param name="update">Alike; must not overlap the gradient.</param>
    /// <exception cref="InvalidOperationException">Nothing has been inverted yet.</exception>
    public void Apply(int layer, MatrixView<float> gradient, MatrixView<float> update)
    {
        CheckReady(layer);
        _arguments.CheckGradient(layer, gradient);
        ApplyCore(layer, gradient, update);
    }

    /// <summary>Applies a layer's damped inverse to <c>∇W = scale·GᵀX</c>, given by its rows.</summary>
    /// <remarks>Up to <see cref="MostRows"/> rows are preconditioned before they are multiplied,
    /// <c>scale·(B⁻¹Gᵀ)(X A⁻¹)</c>, which is the same update and costs less; more make the gradient first.</remarks>
    /// <param name="layer">Index of the layer.</param>
    /// <param name="outputGradients">G, [N, P_out].</param>
    /// <param name="inputs">X, [N, P_in], or [N, P_in + 1] with a last column of ones for the bias.</param>
    /// <param name="scale">A finite number.</param>
    /// <param name="update">[P_out, P_in] or [P_out, P_in + 1]; must not overlap the rows.</param>
    /// <exception cref="InvalidOperationException">Nothing has been inverted yet.</exception>
    public void ApplyRows(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, float scale, MatrixView<float> update)
    {
        CheckReady(layer);
        _arguments.CheckRows(layer, outputGradients, inputs);
        if (inputs.Rows <= _mostRows[layer] && !Layers[layer].HasDiagonalOutput)
        {
            ApplyRowsCore(layer, outputGradients, inputs, scale, update);
            return;
        }

        ApplyCore(layer, FormGradient(outputGradients, inputs, scale), update);
    }

    /// <summary>Whether rows are preconditioned each on its own side, so that the update is the product of what they become.</summary>
    internal virtual bool PreconditionsRows => false;

    /// <summary>Applies a layer's damped inverse to rows: the update of <see cref="ApplyRows"/> is <c>scale·LᵀR</c>.</summary>
    /// <param name="left">[N, P_out], room for L.</param>
    /// <param name="right">[N, P_in], or [N, P_in + 1]; receives <c>R = X·A⁻¹</c>.</param>
    /// <param name="solves">Takes what may be computed together with other layers': L and R are undefined before it has run.</param>
    /// <returns><c>L = G·B⁻¹</c>, in the room for it; G itself where there is no B.</returns>
    /// <exception cref="InvalidOperationException">Nothing has been inverted yet, or <see cref="PreconditionsRows"/> is false.</exception>
    internal MatrixView<float> PreconditionRows(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, MatrixView<float> left, MatrixView<float> right, SolveBatch solves)
    {
        CheckReady(layer);
        _arguments.CheckRows(layer, outputGradients, inputs);
        return PreconditionRowsCore(layer, outputGradients, inputs, left, right, solves);
    }

    /// <summary><c>⟨s·GᵀX, s·LᵀR⟩ = s²·Σ (G·Lᵀ)∘(X·Rᵀ)</c>, for few rows.</summary>
    /// <param name="product">One element.</param>
    internal void ProductOfRows(
        MatrixView<float> outputGradients,
        MatrixView<float> inputs,
        MatrixView<float> left,
        MatrixView<float> right,
        float scale,
        VectorView<double> product)
    {
        int rows = inputs.Rows;
        if (_innerProducts.Length < 2 * rows * rows)
        {
            _innerProducts = Arena.Vector<float>(2 * rows * rows);
        }

        MatrixView<float> both = MatrixIn(_innerProducts, 2 * rows, rows);
        (MatrixView<float> ofOutputs, MatrixView<float> ofInputs) = (both.RowRange(0, rows), both.RowRange(rows, rows));
        Gemm.Run(Stream, Transpose.No, Transpose.Yes, scale, outputGradients, left, 0, ofOutputs);
        Gemm.Run(Stream, Transpose.No, Transpose.Yes, scale, inputs, right, 0, ofInputs);
        Reduction.Dot(Stream, ofOutputs, ofInputs, product);
    }

    /// <summary><c>⟨∇W, update⟩</c> for <c>∇W = scale·GᵀX</c> and the update that <see cref="ApplyRows"/> has written for it.</summary>
    /// <param name="product">One element.</param>
    internal void ProductOfRows(
        MatrixView<float> outputGradients, MatrixView<float> inputs, float scale, MatrixView<float> update, VectorView<double> product) =>
        Reduction.Dot(Stream, FormGradient(outputGradients, inputs, scale), update, product);

    /// <summary>The most rows of a gradient that <see cref="ApplyRows"/> preconditions before it multiplies them: those for
    /// which this takes less time.</summary>
    public int MostRows(int layer)
    {
        _arguments.CheckLayer(layer);
        return _mostRows[layer];
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
        DisposeCore();
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

    /// <summary>The most elements that the rows of one layer have together, where rows are preconditioned.</summary>
    private protected int LargestRows()
    {
        int largest = 0;
        for (int layer = 0; layer < Layers.Count; layer++)
        {
            largest = Math.Max(largest, checked(_mostRows[layer] * (Layers[layer].OutputWidth + Layers[layer].FactorInputWidth)));
        }

        return largest;
    }

    /// <summary>The first elements of a vector as a matrix.</summary>
    private protected static MatrixView<float> MatrixIn(VectorView<float> memory, int rows, int columns) =>
        memory.Slice(0, rows * columns).AsMatrix(rows, columns);

    private protected virtual void DisposeCore()
    {
    }

    private protected abstract void UpdateCore(ReadOnlySpan<KroneckerPair> factors, ReadOnlySpan<int> rows);

    private protected abstract void ApplyCore(int layer, MatrixView<float> gradient, MatrixView<float> update);

    private protected abstract void ApplyRowsCore(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, float scale, MatrixView<float> update);

    private protected virtual MatrixView<float> PreconditionRowsCore(
        int layer, MatrixView<float> outputGradients, MatrixView<float> inputs, MatrixView<float> left, MatrixView<float> right, SolveBatch solves) =>
        throw new InvalidOperationException("These inverses do not precondition rows on their own.");

    private protected abstract void VisitInverses(IStateVisitor visitor);

    private protected void Record(int layer, string factor, NumericalEventKind kind) => _log.Record(layer, factor, kind);

    /// <summary><c>scale·GᵀX</c>, in memory that the next call reuses.</summary>
    private MatrixView<float> FormGradient(MatrixView<float> outputGradients, MatrixView<float> inputs, float scale)
    {
        if (_product.Length == 0)
        {
            _product = Arena.Vector<float>(LargestGradient(Layers));
        }

        MatrixView<float> gradient = MatrixIn(_product, outputGradients.Columns, inputs.Columns);
        Gemm.Run(Stream, Transpose.Yes, Transpose.No, scale, outputGradients, inputs, 0, gradient);
        return gradient;
    }

    private void CheckReady(int layer)
    {
        _arguments.CheckLayer(layer);
        if (_updates == 0)
        {
            throw new InvalidOperationException("There are no inverses before the first update.");
        }
    }
}
