using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;

namespace KFac.Nn.Tests;

/// <summary>A network with known parameters and inputs, and the host's view of both.</summary>
internal sealed class TestNetwork : IDisposable
{
    private readonly bool _ownsDevice;
    private readonly Device _device;
    private readonly Arena _arena;

    /// <param name="scale">Parameters are uniform on ±scale.</param>
    public TestNetwork(Module root, Loss loss, float scale = 0.7f, Device? device = null, long seedMemory = 1 << 28)
    {
        _ownsDevice = device is null;
        _device = device ?? TestDevice.OpenDefault();
        _arena = new Arena(_device);
        Network = new Network(_device, root, loss, new PhiloxKey(1, 2)) { SeedMemory = seedMemory };
        Parameters = TestData.Uniform(Network.Parameters.Values.Length, 11);
        for (int i = 0; i < Parameters.Length; i++)
        {
            Parameters[i] *= scale;
        }

        Stream.Upload<float>(Parameters, Network.Parameters.Values);
    }

    public DeviceStream Stream => _device.DefaultStream;

    public Arena Arena => _arena;

    public Network Network { get; }

    public float[] Parameters { get; }

    public float[] Inputs { get; private set; } = [];

    /// <summary>Runs a forward pass on inputs uniform on ±1.</summary>
    public Variable Forward(TensorShape shape, SegmentOffsets? segments = null, ulong seed = 21, GraphStructure? graph = null)
    {
        Inputs = TestData.Uniform(shape.Rows * shape.Columns, seed);
        MatrixView<float> inputs = _arena.Matrix<float>(shape.Rows, shape.Columns);
        Stream.Upload<float>(Inputs, inputs);
        return Network.Forward(inputs, shape, segments, graph);
    }

    /// <summary>Uploads tokens; with lengths the sequences are ragged.</summary>
    public TokenSequences Tokens(int[] tokens, int examples, int[]? offsets = null)
    {
        VectorView<int> view = _arena.Vector<int>(tokens.Length);
        Stream.Upload(tokens, view);
        return offsets is null
            ? TokenSequences.Uniform(view, examples)
            : TokenSequences.Ragged(view, SegmentOffsets.FromOffsets(Stream, _arena, offsets));
    }

    /// <summary>Value targets, uniform on ±1, one per output element.</summary>
    public float[] SetValueTargets(ulong seed = 31)
    {
        MatrixView<float> output = Network.Output.Value;
        float[] values = TestData.Uniform(output.Rows * output.Columns, seed);
        Network.SetTargets(Targets.FromValues(Stream, _arena, values, output.Rows, output.Columns));
        return values;
    }

    /// <summary>Label targets, one per output row.</summary>
    public int[] SetLabelTargets(ulong seed = 32)
    {
        MatrixView<float> output = Network.Output.Value;
        int[] labels = TestData.Integers(output.Rows, output.Columns, seed);
        Network.SetTargets(Targets.FromLabels(Stream, _arena, labels, output.Columns));
        return labels;
    }

    public float[] Gradients() => Read(Network.Parameters.Gradients.AsMatrix(1, Network.Parameters.Gradients.Length));

    public float[] Read(MatrixView<float> view)
    {
        var values = new float[view.Rows * view.Columns];
        Stream.Download(view, values);
        return values;
    }

    public int[] Read(VectorView<int> view)
    {
        var values = new int[view.Length];
        Stream.Download(view, values);
        return values;
    }

    public Capture CaptureInputs()
    {
        var capture = new Capture(this);
        Network.CaptureInputs(capture);
        return capture;
    }

    public Capture CaptureOutputGradients(CurvatureKind kind, int samples = 1, PhiloxKey key = default)
    {
        var capture = new Capture(this);
        Network.CaptureOutputGradients(kind, samples, key, capture);
        return capture;
    }

    public void Dispose()
    {
        Network.Dispose();
        _arena.Dispose();
        if (_ownsDevice)
        {
            _device.Dispose();
        }
    }
}

/// <summary>Copies everything that layers hand over, in the order of delivery.</summary>
internal sealed class Capture(TestNetwork owner) : ICaptureSink
{
    public List<Delivery> Deliveries { get; } = [];

    public void Inputs(int layer, in LayerRows rows) => Add(layer, isInput: true, rows);

    public void OutputGradients(int layer, in LayerRows rows) => Add(layer, isInput: false, rows);

    /// <summary>All rows of a layer, seeds outermost over all deliveries.</summary>
    public float[] RowsOf(int layer) => [.. Deliveries.Where(d => d.Layer == layer).SelectMany(d => d.Values)];

    private void Add(int layer, bool isInput, in LayerRows rows) =>
        Deliveries.Add(new Delivery(layer, isInput, owner.Read(rows.Rows), rows.Examples, rows.Sharing, rows.Segments, rows.Seeds, rows.Scale)
        {
            IsLookup = rows.IsLookup,
            Tokens = owner.Read(rows.Tokens),
        });
}

internal sealed record Delivery(
    int Layer, bool IsInput, float[] Values, int Examples, int Sharing, SegmentOffsets? Segments, int Seeds, float Scale)
{
    public bool IsLookup { get; init; }

    public int[] Tokens { get; init; } = [];
}
