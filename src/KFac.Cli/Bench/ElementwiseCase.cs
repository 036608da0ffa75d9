using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>One operation that does little with each element, so that memory is its limit.</summary>
internal sealed class ElementwiseCase : BenchCase
{
    private readonly Arena _arena;
    private readonly ElementwiseOperation _operation;
    private readonly ElementwiseShape _shape;
    private readonly ElementwiseOperands _operands;

    public ElementwiseCase(Device device, ElementwiseOperation operation, ElementwiseShape shape, ulong seed)
    {
        _arena = new Arena(device);
        _operation = operation;
        _shape = shape;
        _operands = new ElementwiseOperands(_arena, shape, seed);
    }

    public override string Operation => _operation.Name;

    public override string Shape => _shape.ToString();

    public override double? Bytes => (double)(_operation.Reads + _operation.Writes) * sizeof(float) * _shape.Rows * _shape.Columns;

    public override double MemoryLimit(MachineLimits limits) =>
        _operation.Writes == 0 ? limits.ReadGBps : _operation.Reads == 0 ? limits.WriteGBps : limits.CopyGBps;

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "elementwise",
        ["operation"] = _operation.Name,
        ["rows"] = _shape.Rows,
        ["columns"] = _shape.Columns,
    };

    public override void Run() => _operation.Run(_arena.Device.DefaultStream, _operands);

    public override void Dispose() => _arena.Dispose();
}

/// <summary>Rows and columns of every operand.</summary>
internal readonly record struct ElementwiseShape(int Rows, int Columns)
{
    /// <summary>64 MiB an operand, more than caches hold.</summary>
    public static ElementwiseShape Default { get; } = new(16384, 1024);

    /// <summary>As on the command line: ROWS,COLUMNS.</summary>
    public override string ToString() => $"{Rows},{Columns}";
}

/// <summary>What the operations work on: numbers from 0 to 1, which stay finite however often an operation runs.</summary>
internal sealed class ElementwiseOperands
{
    public ElementwiseOperands(Arena arena, ElementwiseShape shape, ulong seed)
    {
        DeviceStream stream = arena.Device.DefaultStream;
        MatrixView<float>[] filled = new MatrixView<float>[4];
        for (int i = 0; i < filled.Length; i++)
        {
            filled[i] = arena.Matrix<float>(shape.Rows, shape.Columns);
            Philox.Uniform(stream, new PhiloxKey(seed, (ulong)i), 0, filled[i].AsVector());
        }

        (X, Y, Z, U) = (filled[0], filled[1], filled[2], filled[3]);
        Row = arena.Vector<float>(shape.Columns);
        Column = arena.Vector<float>(shape.Rows);
        Bias = arena.Vector<float>(shape.Columns);
        RowGradient = arena.Vector<float>(shape.Columns);
        BiasGradient = arena.Vector<float>(shape.Columns);
        Statistics = arena.Matrix<float>(shape.Rows, LayerNorm.StatisticsColumns);
        Labels = arena.Vector<int>(shape.Rows);
        Sampled = arena.Vector<int>(shape.Rows);
        Scalar = arena.Vector<double>(1);
        Count = arena.Vector<long>(1);
        stream.Upload(new int[shape.Rows], Labels);
        Philox.Uniform(stream, new PhiloxKey(seed, 4), 0, Row);
        Philox.Uniform(stream, new PhiloxKey(seed, 5), 0, Column);
        Philox.Uniform(stream, new PhiloxKey(seed, 6), 0, Bias);
        LayerNorm.Forward(stream, X, Row, Bias, 1e-5f, Y, Statistics);
        Philox.Uniform(stream, new PhiloxKey(seed, 1), 0, Y.AsVector());
    }

    public MatrixView<float> X { get; }

    public MatrixView<float> Y { get; }

    public MatrixView<float> Z { get; }

    public MatrixView<float> U { get; }

    public VectorView<float> Row { get; }

    public VectorView<float> Column { get; }

    public VectorView<float> Bias { get; }

    public VectorView<float> RowGradient { get; }

    public VectorView<float> BiasGradient { get; }

    /// <summary>Of X, as layer normalisation leaves them.</summary>
    public MatrixView<float> Statistics { get; }

    public VectorView<int> Labels { get; }

    public VectorView<int> Sampled { get; }

    public VectorView<double> Scalar { get; }

    public VectorView<long> Count { get; }
}
