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

    public override double? Bytes => _operation.Operands * sizeof(float) * _shape.Rows * _shape.Columns;

    public override double MemoryLimit(MachineLimits limits) => _operation.MemoryLimit(limits);

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "elementwise",
        ["operation"] = _operation.Name,
        ["rows"] = _shape.Rows,
        ["columns"] = _shape.Columns,
        ["height"] = _operands.Images.Window.Height,
        ["width"] = _operands.Images.Window.Width,
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
