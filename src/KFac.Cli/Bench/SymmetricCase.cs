using System.Globalization;
using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>A covariance of 2n normal rows, inverted with damping 10⁻³ (<c>n³</c> operations) or diagonalised (no agreed count).</summary>
internal sealed class SymmetricCase : BenchCase
{
    private const float Damping = 1e-3f;

    private readonly Arena _arena;
    private readonly bool _eigen;
    private readonly int _size;
    private readonly MatrixView<float> _matrix;
    private readonly MatrixView<float> _result;
    private readonly VectorView<float> _values;
    private readonly VectorView<int> _status;

    public SymmetricCase(Device device, int size, bool eigen, ulong seed)
    {
        _arena = new Arena(device);
        _eigen = eigen;
        _size = size;
        _matrix = _arena.Matrix<float>(size, size);
        _result = _arena.Matrix<float>(size, size);
        _values = _arena.Vector<float>(size);
        _status = _arena.Vector<int>(1);
        MatrixView<float> rows = _arena.Matrix<float>(2 * size, size);
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 2), 0, rows.AsVector());
        Gram.Expand(device.DefaultStream, rows, 0.5f / size, 0, _matrix);
    }

    public override string Operation => _eigen ? "eigh" : "cholesky";

    public override string Shape => _size.ToString(CultureInfo.InvariantCulture);

    public override double? Operations => _eigen ? null : (double)_size * _size * _size;

    public override JsonObject PeerRequest => new() { ["case"] = Operation, ["size"] = _size };

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        if (_eigen)
        {
            SymmetricEigen.Run(stream, [new SymmetricEigenItem(_matrix, _values, _result)], _status);
        }
        else
        {
            DampedInverse.Run(stream, [new DampedInverseItem(_matrix, Damping, _result)], _status);
        }
    }

    public override void Check()
    {
        int status = _arena.Device.DefaultStream.Read(_status);
        if (status != 0)
        {
            throw new ArithmeticException($"{Operation} of size {Shape} failed with status {status}.");
        }
    }

    public override void Dispose() => _arena.Dispose();
}
