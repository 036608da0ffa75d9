using System.Text.Json.Nodes;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>The input factor of one layer from inputs of M examples, R sharing positions and P features.</summary>
/// <remarks>Expand needs <c>M·R·P·(P+1)</c> operations, one triangle. Reduce must read the inputs once, and is measured by
/// that. Runs take turns over copies of the inputs, so that these come from memory as in training, not from a cache.</remarks>
internal sealed class FactorCase : BenchCase
{
    private const long BytesBeyondCaches = 256 << 20;
    private const int MostCopies = 64;

    private readonly Arena _arena;
    private readonly FactorShape _shape;
    private readonly SharingApproximation _approximation;
    private readonly MatrixView<float>[] _copies;
    private readonly MatrixView<float> _factor;
    private int _turn;

    public FactorCase(Device device, FactorShape shape, SharingApproximation approximation, ulong seed)
    {
        _arena = new Arena(device);
        _shape = shape;
        _approximation = approximation;
        _factor = _arena.Matrix<float>(shape.Width, shape.Width);
        _copies = new MatrixView<float>[Math.Clamp(BytesBeyondCaches / (long)(Elements * sizeof(float)), 1, MostCopies)];
        for (int i = 0; i < _copies.Length; i++)
        {
            _copies[i] = _arena.Matrix<float>(Rows, shape.Width);
            Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 1), 0, _copies[i].AsVector());
        }
    }

    public override string Operation => "factor";

    public override string Shape => _shape.ToString();

    public override string Approximation => _approximation == SharingApproximation.Expand ? "expand" : "reduce";

    public override double? Operations => _approximation == SharingApproximation.Expand
        ? Elements * (_shape.Width + 1)
        : null;

    public override double? Bytes => _approximation == SharingApproximation.Reduce
        ? Elements * sizeof(float)
        : null;

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "factor",
        ["examples"] = _shape.Examples,
        ["sharing"] = _shape.Sharing,
        ["width"] = _shape.Width,
        ["approximation"] = Approximation,
        ["copies"] = _copies.Length,
    };

    private int Rows => _shape.Examples * _shape.Sharing;

    private double Elements => (double)Rows * _shape.Width;

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        MatrixView<float> inputs = _copies[_turn++ % _copies.Length];
        if (_approximation == SharingApproximation.Expand)
        {
            Gram.Expand(stream, inputs, 1f / Rows, 0, _factor);
        }
        else
        {
            Gram.Reduce(stream, inputs, _shape.Sharing, SharingScale.Mean, 1f / _shape.Examples, 0, _factor);
        }

        stream.Synchronize();
    }

    public override void Dispose() => _arena.Dispose();
}

/// <summary>M, R and P of a layer's inputs.</summary>
internal readonly record struct FactorShape(int Examples, int Sharing, int Width)
{
    /// <summary>Layers of ViT-S/16, of GPT-2 small, and a skinny one of a Wide ResNet.</summary>
    public static IReadOnlyList<FactorShape> Defaults { get; } =
    [
        new(64, 196, 384), new(64, 196, 1536), new(8, 1024, 768), new(8, 1024, 3072), new(64, 1024, 64),
    ];

    /// <summary>As on the command line: M,R,P.</summary>
    public override string ToString() => $"{Examples},{Sharing},{Width}";
}
