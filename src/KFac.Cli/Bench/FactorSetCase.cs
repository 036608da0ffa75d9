using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>All factors of a network in one call: covariances of 2n normal rows, inverted with damping 10⁻³ (Σ n³ operations)
/// or diagonalised (no agreed count).</summary>
internal sealed class FactorSetCase : BenchCase
{
    private const float Damping = 1e-3f;

    private readonly Arena _arena;
    private readonly string _name;
    private readonly bool _eigen;
    private readonly int[] _sizes;
    private readonly DampedInverseItem[] _inverses;
    private readonly SymmetricEigenItem[] _eigenproblems;
    private readonly VectorView<int> _status;

    public FactorSetCase(Device device, string name, bool eigen, ulong seed)
    {
        _arena = new Arena(device);
        _name = name;
        _eigen = eigen;
        _sizes = FactorSets.Sizes(name);
        _status = _arena.Vector<int>(_sizes.Length);
        MatrixView<float>[] matrices = [.. _sizes.Select((size, i) => Covariance(device, size, new PhiloxKey(seed, (uint)i)))];
        _inverses = eigen ? [] : [.. matrices.Select(matrix =>
            new DampedInverseItem(matrix, Damping, _arena.Matrix<float>(matrix.Rows, matrix.Rows)))];
        _eigenproblems = eigen ? [.. matrices.Select(matrix =>
            new SymmetricEigenItem(matrix, _arena.Vector<float>(matrix.Rows), _arena.Matrix<float>(matrix.Rows, matrix.Rows)))] : [];
    }

    public override string Operation => _eigen ? "eigh" : "cholesky";

    public override string Shape => _name;

    public override double? Operations => _eigen ? null : _sizes.Sum(static size => (double)size * size * size);

    public override JsonObject PeerRequest => new()
    {
        ["case"] = Operation,
        ["sizes"] = new JsonArray([.. _sizes.Select(static size => (JsonNode)size)]),
    };

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        if (_eigen)
        {
            SymmetricEigen.Run(stream, _eigenproblems, _status);
        }
        else
        {
            DampedInverse.Run(stream, _inverses, _status);
        }
    }

    public override void Check()
    {
        var status = new int[_sizes.Length];
        _arena.Device.DefaultStream.Download(_status, status);
        int failed = Array.FindIndex(status, static code => code != 0);
        if (failed >= 0)
        {
            throw new ArithmeticException($"{Operation} of size {_sizes[failed]} failed with status {status[failed]}.");
        }
    }

    public override void Dispose() => _arena.Dispose();

    private MatrixView<float> Covariance(Device device, int size, PhiloxKey key)
    {
        MatrixView<float> matrix = _arena.Matrix<float>(size, size);
        using var temporary = new Arena(device);
        MatrixView<float> rows = temporary.Matrix<float>(2 * size, size);
        Philox.Normal(device.DefaultStream, key, 0, rows.AsVector());
        Gram.Expand(device.DefaultStream, rows, 0.5f / size, 0, matrix);
        device.DefaultStream.Synchronize();
        return matrix;
    }
}
