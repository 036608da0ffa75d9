using System.Globalization;
using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>The damped inverse of a factor of few rows, from the rows to its product with as many vectors: through the factor
/// itself (primal), or through the small system of the rows (dual).</summary>
/// <remarks>Counts the arithmetic of the form with K = N vectors: <c>N·n·(n+1) + n³ + 2Kn²</c> primal,
/// <c>n·N·(N+1) + N³ + 4KNn + 2KN²</c> dual.</remarks>
internal sealed class DualCase : BenchCase
{
    private const float Damping = 1e-2f;

    private readonly Arena _arena;
    private readonly int _size;
    private readonly int _rows;
    private readonly bool _dual;
    private readonly MatrixView<float> _x;
    private readonly MatrixView<float> _v;
    private readonly MatrixView<float> _factor;
    private readonly MatrixView<float> _inverse;
    private readonly MatrixView<float> _result;
    private readonly VectorView<int> _status;

    public DualCase(Device device, int size, int rows, bool dual, ulong seed)
    {
        _arena = new Arena(device);
        (_size, _rows, _dual) = (size, rows, dual);
        _x = _arena.Matrix<float>(rows, size);
        _v = _arena.Matrix<float>(rows, size);
        _result = _arena.Matrix<float>(rows, size);
        int width = dual ? rows : size;
        _factor = _arena.Matrix<float>(width, width);
        _inverse = _arena.Matrix<float>(width, width);
        _status = _arena.Vector<int>(1);
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 5), 0, _x.AsVector());
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 6), 0, _v.AsVector());
    }

    public override string Operation => _dual ? "factor dual" : "factor primal";

    public override string Shape => string.Create(CultureInfo.InvariantCulture, $"{_size},{_rows}");

    public override double? Operations
    {
        get
        {
            double n = _size;
            double rows = _rows;
            return _dual
                ? (n * rows * (rows + 1)) + (rows * rows * rows) + (4 * rows * rows * n) + (2 * rows * rows * rows)
                : (rows * n * (n + 1)) + (n * n * n) + (2 * rows * n * n);
        }
    }

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "dual",
        ["size"] = _size,
        ["rows"] = _rows,
        ["dual"] = _dual,
    };

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        float alpha = 1f / _rows;
        if (_dual)
        {
            DualInverse.Gram(stream, _x, alpha, _factor);
        }
        else
        {
            Gram.Expand(stream, _x, alpha, 0, _factor);
        }

        DampedInverse.Run(stream, [new DampedInverseItem(_factor, Damping, _inverse)], _status);
        if (_dual)
        {
            DualInverse.Apply(stream, MatrixSide.Right, _x, alpha, _inverse, Damping, _v, _result);
        }
        else
        {
            Gemm.Run(stream, Transpose.No, Transpose.No, 1, _v, _inverse, 0, _result);
        }
    }

    public override void Check()
    {
        int status = _arena.Device.DefaultStream.Read(_status);
        if (status != 0)
        {
            throw new ArithmeticException($"{Operation} of {Shape} failed with status {status}.");
        }
    }

    public override void Dispose() => _arena.Dispose();
}
