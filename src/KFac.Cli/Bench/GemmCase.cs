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

    /// <summary>Of the first product of a stack.</summary>
    public override double? MeasureError()
    {
        (int m, int n, int k) = (_shape.M, _shape.N, _shape.K);
        bool turnedA = _shape.TransposeA == Transpose.Yes;
        bool turnedB = _shape.TransposeB == Transpose.Yes;
        DeviceStream stream = _arena.Device.DefaultStream;
        var left = ProductOperand.Read(stream, _a.RowRange(0, turnedA ? k : m), turnedA);
        var right = ProductOperand.Read(stream, _b.RowRange(0, turnedB ? n : k), !turnedB);
        return ProductError.Of(stream, left, right, 1, k, _c.RowRange(0, m));
    }

    public override void Dispose() => _arena.Dispose();
}
