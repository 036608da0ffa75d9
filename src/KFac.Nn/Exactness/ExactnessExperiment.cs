using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One case on one device: the engine's factors in float32, and the exact GGN in float64 beside them.</summary>
/// <remarks>The engine runs as in training: a network's forward pass, its captures, the factors. The exact side takes
/// only the weights and inputs from it and differentiates its own float64 forward pass in forward mode.</remarks>
public sealed class ExactnessExperiment : IDisposable
{
    private readonly ExactnessCase _case;
    private readonly Device _device;
    private readonly Arena _arena;
    private readonly Network _network;
    private readonly HostMatrix _inputs;
    private readonly Dictionary<string, HostMatrix> _weights = [];

    /// <summary>Builds the model and runs its forward pass.</summary>
    /// <param name="seed">Of weights and inputs.</param>
    public ExactnessExperiment(Device device, ExactnessCase exactnessCase, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(exactnessCase);
        _device = device;
        _case = exactnessCase;
        _arena = new Arena(device);
        _network = new Network(device, _case.Build(), _case.Loss.Build(), new PhiloxKey(seed, 0));
        DrawWeights(new PhiloxGenerator(new PhiloxKey(seed, 1)));
        _inputs = Forward(new PhiloxGenerator(new PhiloxKey(seed, 2)));
    }

    /// <summary>The layers that are compared.</summary>
    public IReadOnlyList<KroneckerLayer> Layers => _network.Layers;

    /// <summary>The errors of every layer, in the order of <see cref="Layers"/>.</summary>
    public IReadOnlyList<ExactnessRow> Compare(CancellationToken cancellation = default)
    {
        HostMatrix[] expand = Approximate(SharingApproximation.Expand);
        HostMatrix[] reduce = Approximate(SharingApproximation.Reduce);
        var rows = new List<ExactnessRow>(Layers.Count);
        for (int layer = 0; layer < Layers.Count; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            HostMatrix exact = ExactGgn(layer);
            string name = Layers[layer].Name;
            rows.Add(new ExactnessRow(
                _case.Name,
                _case.Setting,
                name,
                expand[layer].RelativeError(exact),
                reduce[layer].RelativeError(exact),
                _case.ExactFor(name),
                _case.MinimumInexactError));
        }

        return rows;
    }

    /// <summary>The exact GGN of one layer, [P_in·P_out, P_in·P_out], for the sum of the loss's terms.</summary>
    public HostMatrix ExactGgn(int layer)
    {
        string name = Layers[layer].Name;
        HostMatrix jacobian = Engine.ExactGgn.Jacobian(weight => Model(name, weight), _weights[name]);
        return Engine.ExactGgn.Sum(jacobian, LossHessians(Model(name, DualMatrix.Constant(_weights[name]))));
    }

    /// <summary>The factors A and B of every layer, as the engine computes them.</summary>
    public IReadOnlyList<(HostMatrix A, HostMatrix B)> Factors(SharingApproximation approximation)
    {
        var options = new FactorOptions { Kind = CurvatureKind.Exact, Approximation = approximation };
        using var factors = new KroneckerFactors(_device, _network, options);
        factors.Update(default);
        var result = new List<(HostMatrix A, HostMatrix B)>(Layers.Count);
        foreach (KroneckerPair pair in factors.Pairs)
        {
            result.Add((Read(pair.A), Read(pair.B)));
        }

        return result;
    }

    /// <summary>The rows that one layer hands over, before anything is reduced.</summary>
    internal HostLayerRows CaptureRows(int layer)
    {
        var sink = new HostLayerRows(_device.DefaultStream, layer);
        _network.CaptureInputs(sink);
        _network.CaptureOutputGradients(CurvatureKind.Exact, 1, default, sink);
        return sink;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Dispose();
        _arena.Dispose();
    }

    private HostMatrix[] Approximate(SharingApproximation approximation) =>
        [.. Factors(approximation).Select(static pair => HostMatrix.Kronecker(pair.A, pair.B))];

    /// <summary>N(0, 1/P_in) everywhere, biases included, so that no layer is special.</summary>
    private void DrawWeights(PhiloxGenerator generator)
    {
        foreach (ParameterBlock block in _network.Parameters.Blocks)
        {
            float[] values = Normal(generator, block.Rows * block.Columns, Math.Sqrt(1.0 / block.Columns));
            _device.DefaultStream.Upload<float>(values, _network.Parameters.ValuesOf(block));
            _weights[Layers[block.Layer].Name] = HostMatrix.From(block.Rows, block.Columns, values);
        }
    }

    private HostMatrix Forward(PhiloxGenerator generator)
    {
        DeviceStream stream = _device.DefaultStream;
        TensorShape shape = _case.InputShape;
        float[] values = Normal(generator, shape.Rows * shape.Columns, 1);
        MatrixView<float> inputs = _arena.Matrix<float>(shape.Rows, shape.Columns);
        stream.Upload<float>(values, inputs);
        SegmentOffsets? segments = _case.RaggedOffsets is { } offsets
            ? SegmentOffsets.FromOffsets(stream, _arena, [.. offsets])
            : null;
        Variable output = _network.Forward(inputs, shape, segments);
        _network.SetTargets(_case.Loss.MakeTargets(stream, _arena, output.Value.Rows, output.Value.Columns));
        return HostMatrix.From(shape.Rows, shape.Columns, values);
    }

    private DualMatrix Model(string differentiated, DualMatrix weight)
    {
        var rows = new ExampleRows(DualMatrix.Constant(_inputs), _case.Offsets());
        foreach (ExactnessStage stage in _case.Stages)
        {
            rows = stage.Forward(rows, name => name == differentiated ? weight : DualMatrix.Constant(_weights[name]));
        }

        return rows.Rows;
    }

    private List<HostMatrix> LossHessians(DualMatrix outputs)
    {
        var hessians = new List<HostMatrix>(outputs.Rows);
        for (int row = 0; row < outputs.Rows; row++)
        {
            double[] term = [.. Enumerable.Range(0, outputs.Columns).Select(column => outputs[row, column].Value)];
            hessians.Add(_case.Loss.Hessian(term));
        }

        return hessians;
    }

    private HostMatrix Read(MatrixView<float> matrix)
    {
        var values = new float[matrix.Rows * matrix.Columns];
        _device.DefaultStream.Download(matrix, values);
        return HostMatrix.From(matrix.Rows, matrix.Columns, values);
    }

    private static float[] Normal(PhiloxGenerator generator, int count, double deviation)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = (float)(deviation * generator.NextNormal());
        }

        return values;
    }
}
