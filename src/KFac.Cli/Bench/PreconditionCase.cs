using System.Globalization;
using System.Text.Json.Nodes;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>The preconditioned gradient of a square layer from factors inverted before: from the gradient, or from the rows that make it.</summary>
/// <remarks>Counts the arithmetic of the form: <c>4n³</c> operations from the gradient, <c>6Nn²</c> from N rows; in the
/// eigenbases <c>8n³</c>, and <c>6Nn² + 4n³</c>. More rows than pay make the gradient first, <c>2Nn²</c>.</remarks>
internal sealed class PreconditionCase : BenchCase
{
    private const double Damping = 1e-3;

    private readonly Arena _arena;
    private readonly KroneckerInverses _inverses;
    private readonly int _size;
    private readonly int _rows;
    private readonly bool _eigenbases;
    private readonly MatrixView<float> _gradient;
    private readonly MatrixView<float> _outputGradients;
    private readonly MatrixView<float> _inputs;
    private readonly MatrixView<float> _update;

    /// <param name="rows">N; 0 starts from the gradient.</param>
    public PreconditionCase(Device device, int size, int rows, bool eigenbases, ulong seed)
    {
        DeviceStream stream = device.DefaultStream;
        _arena = new Arena(device);
        (_size, _rows, _eigenbases) = (size, rows, eigenbases);
        _gradient = Normal(size, size, 1);
        _outputGradients = Normal(rows, size, 2);
        _inputs = Normal(rows, size, 3);
        _update = _arena.Matrix<float>(size, size);
        MatrixView<float> factor = _arena.Matrix<float>(size, size);
        Gram.Expand(stream, Normal(2 * size, size, 4), 0.5f / size, 0, factor);
        KroneckerLayer[] layers = [new KroneckerLayer("layer", size, size, HasBias: false)];
        var options = new InverseOptions { Style = eigenbases ? DampingStyle.Product : DampingStyle.PerFactor, Damping = Damping };
        _inverses = KroneckerInverses.Create(device, layers, options);
        _inverses.Update([new KroneckerPair(factor, factor)]);

        MatrixView<float> Normal(int count, int width, ulong sequence)
        {
            MatrixView<float> matrix = _arena.Matrix<float>(count, width);
            Philox.Normal(stream, new PhiloxKey(seed, sequence), 0, matrix.AsVector());
            return matrix;
        }
    }

    public override string Operation => (_eigenbases ? "eigenbases" : "inverses") + (_rows > 0 ? " rows" : " dense");

    public override string Shape =>
        _size.ToString(CultureInfo.InvariantCulture) + (_rows > 0 ? string.Create(CultureInfo.InvariantCulture, $",{_rows}") : string.Empty);

    public override double? Operations
    {
        get
        {
            double square = (double)_size * _size;
            double dense = 4 * square * _size;
            double there = _rows == 0 ? dense : _rows <= _inverses.MostRows(0) ? 6 * square * _rows : dense + (2 * square * _rows);
            return _eigenbases ? there + dense : there;
        }
    }

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "precondition",
        ["size"] = _size,
        ["rows"] = _rows,
        ["eigenbases"] = _eigenbases,
    };

    public override void Run()
    {
        if (_rows > 0)
        {
            _inverses.ApplyRows(0, _outputGradients, _inputs, 1, _update);
        }
        else
        {
            _inverses.Apply(0, _gradient, _update);
        }

    }

    public override void Check()
    {
        if (_inverses.Events is [NumericalEventCount first, ..])
        {
            throw new ArithmeticException($"{Operation} of {Shape}: {first.Kind}, so the time is not of the usual work.");
        }
    }

    public override void Dispose()
    {
        _inverses.Dispose();
        _arena.Dispose();
    }
}
