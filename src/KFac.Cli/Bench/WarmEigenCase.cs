using System.Globalization;
using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>A covariance of 2n normal rows diagonalised from the vectors of an earlier one, as a moving average hands them
/// over: <c>A ← decay·A + (1 − decay)·A'</c> with A' another sample of the same distribution.</summary>
/// <remarks>The variance of input j is <c>(j + 1)^−power</c>. The peer starts from scratch.</remarks>
internal sealed class WarmEigenCase : BenchCase
{
    private readonly Arena _arena;
    private readonly string _shape;
    private readonly int _size;
    private readonly MatrixView<float> _matrix;
    private readonly MatrixView<float> _previous;
    private readonly MatrixView<float> _result;
    private readonly VectorView<float> _values;
    private readonly VectorView<int> _status;
    private readonly VectorView<EigenOutcome> _outcome;

    public WarmEigenCase(Device device, int size, double decay, double power, ulong seed)
    {
        _arena = new Arena(device);
        _size = size;
        _shape = string.Create(CultureInfo.InvariantCulture, $"{size}, decay {decay}, power {power}");
        _matrix = _arena.Matrix<float>(size, size);
        _previous = _arena.Matrix<float>(size, size);
        _result = _arena.Matrix<float>(size, size);
        _values = _arena.Vector<float>(size);
        _status = _arena.Vector<int>(1);
        _outcome = _arena.Vector<EigenOutcome>(1);
        MatrixView<float> rows = _arena.Matrix<float>(2 * size, size);
        DeviceStream stream = device.DefaultStream;
        Sample(stream, seed, power, rows);
        Gram.Expand(stream, rows, 0.5f / size, 0, _matrix);
        SymmetricEigen.Run(stream, [new SymmetricEigenItem(_matrix, _values, _previous)], _status);
        Sample(stream, seed + 1, power, rows);
        Gram.Expand(stream, rows, (float)(1 - decay) * 0.5f / size, (float)decay, _matrix);
        Run();
    }

    public override string Operation => "eigh-warm";

    public override string Shape
    {
        get
        {
            EigenOutcome outcome = _arena.Device.DefaultStream.Read(_outcome);
            return $"{_shape}: {outcome.Route.ToString().ToLowerInvariant()} {outcome.Steps}";
        }
    }

    public override double? Operations => null;

    public override JsonObject PeerRequest => new() { ["case"] = "eigh", ["size"] = _size };

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        SymmetricEigen.Run(
            stream, [new SymmetricEigenItem(_matrix, _values, _result, _previous)], _status, _outcome, EigenWarmStart.Default);
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

    private static void Sample(DeviceStream stream, ulong seed, double power, MatrixView<float> rows)
    {
        Philox.Normal(stream, new PhiloxKey(seed, 2), 0, rows.AsVector());
        for (int j = 0; j < rows.Columns; j++)
        {
            MatrixView<float> column = rows.Slice(0, j, rows.Rows, 1);
            Elementwise.Axpby(stream, 0, column, (float)Math.Pow(j + 1, -0.5 * power), column);
        }
    }
}
