using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>The input factor of a layer over graphs of different sizes, each reduced to one row with 1/√R_n.</summary>
internal sealed class RaggedCase : BenchCase
{
    private readonly Arena _arena;
    private readonly RaggedShape _shape;
    private readonly SegmentOffsets _offsets;
    private readonly ColdInputs _inputs;
    private readonly MatrixView<float> _factor;

    public RaggedCase(Device device, RaggedShape shape, ulong seed)
    {
        _arena = new Arena(device);
        _shape = shape;
        _factor = _arena.Matrix<float>(shape.Width, shape.Width);
        _offsets = SegmentOffsets.FromOffsets(device.DefaultStream, _arena, shape.Offsets());
        _inputs = new ColdInputs(_arena, _offsets.Rows, shape.Width, seed, sequence: 1);
    }

    public override string Operation => "ragged";

    public override string Shape => _shape.ToString();

    public override string Approximation => "reduce";

    public override double? Bytes => (double)(_offsets.Rows + _shape.Width) * _shape.Width * sizeof(float);

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "ragged",
        ["sizes"] = new JsonArray([.. Sizes().Select(static size => JsonValue.Create(size))]),
        ["width"] = _shape.Width,
        ["copies"] = _inputs.Count,
    };

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        Gram.Reduce(stream, _inputs.Next(), _offsets, SharingScale.InverseSquareRoot, 1f / _shape.Examples, 0, _factor);
    }

    public override void Dispose() => _arena.Dispose();

    private int[] Sizes()
    {
        int[] offsets = _shape.Offsets();
        return [.. offsets.Skip(1).Zip(offsets, static (end, start) => end - start)];
    }
}
