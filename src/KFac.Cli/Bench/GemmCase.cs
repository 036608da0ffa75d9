using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Products of normal matrices, <c>2·m·n·k</c> operations each.</summary>
/// <remarks>Every run multiplies the same matrices, so small ones come from a cache, as from the kernel before in training.</remarks>
internal sealed class GemmCase : BenchCase
{
    private readonly Arena _arena;
    private readonly GemmShape _shape;
    private readonly MatrixView<float> _a;
    private readonly MatrixView<float> _b;
    private readonly MatrixView<float> _c;

    public GemmCase(Device device, GemmShape shape, ulong seed)
    {
        _arena = new Arena(device);
        _shape = shape;
        (int m, int n, int k, int stack) = (shape.M, shape.N, shape.K, shape.Stack);
        _a = shape.TransposeA == Transpose.Yes ? _arena.Matrix<float>(stack * k, m) : _arena.Matrix<float>(stack * m, k);
        _b = shape.TransposeB == Transpose.Yes ? _arena.Matrix<float>(stack * n, k) : _arena.Matrix<float>(stack * k, n);
        _c = _arena.Matrix<float>(stack * m, n);
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 3), 0, _a.AsVector());
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 4), 0, _b.AsVector());
    }

    public override string Operation => "gemm";

    public override string Shape => _shape.ToString();

    public override double? Operations => 2.0 * _shape.M * _shape.N * _shape.K * _shape.Stack;

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "gemm",
        ["m"] = _shape.M,
        ["n"] = _shape.N,
        ["k"] = _shape.K,
        ["transposeA"] = _shape.TransposeA == Transpose.Yes,
        ["transposeB"] = _shape.TransposeB == Transpose.Yes,
        ["stack"] = _shape.Stack,
    };

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        Gemm.RunStacked(stream, _shape.TransposeA, _shape.TransposeB, 1, _a, _b, 0, _c, _shape.Stack);
        stream.Synchronize();
    }

    public override void Dispose() => _arena.Dispose();
}
