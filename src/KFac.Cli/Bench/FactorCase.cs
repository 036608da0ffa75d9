using System.Text.Json.Nodes;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>The input factor of one layer from inputs of M examples, R sharing positions and P features.</summary>
/// <remarks>Expand needs <c>M·R·P·(P+1)</c> operations, one triangle. Reduce must read the inputs and write the factor once,
/// and is measured by that.</remarks>
internal sealed class FactorCase : BenchCase
{
    private const string Matmul = "matmul";

    private readonly Arena _arena;
    private readonly FactorShape _shape;
    private readonly SharingApproximation _approximation;
    private readonly string _form;
    private readonly ColdInputs _inputs;
    private readonly MatrixView<float> _factor;

    /// <param name="form">How the peer does it, one of <see cref="Forms"/>.</param>
    public FactorCase(Device device, FactorShape shape, SharingApproximation approximation, string form, ulong seed)
    {
        _arena = new Arena(device);
        _shape = shape;
        _approximation = approximation;
        _form = form;
        _factor = _arena.Matrix<float>(shape.Width, shape.Width);
        _inputs = new ColdInputs(_arena, Rows, shape.Width, seed, sequence: 1);
    }

    public override string Operation => "factor";

    public override string Shape => _shape.ToString();

    public override string Approximation => FactorShape.NameOf(_approximation);

    public override string? PeerForm => _form;

    public override double? Operations => _approximation == SharingApproximation.Expand
        ? (double)Rows * _shape.Width * (_shape.Width + 1)
        : null;

    public override double? Bytes => _approximation == SharingApproximation.Reduce
        ? (double)(Rows + _shape.Width) * _shape.Width * sizeof(float)
        : null;

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "factor",
        ["examples"] = _shape.Examples,
        ["sharing"] = _shape.Sharing,
        ["width"] = _shape.Width,
        ["approximation"] = Approximation,
        ["form"] = _form,
        ["copies"] = _inputs.Count,
    };

    private int Rows => _shape.Examples * _shape.Sharing;

    /// <summary>The peer's forms: <c>matmul</c> multiplies with <c>X.T @ X</c>, <c>ssyrk</c> lets BLAS compute one triangle, which
    /// is less than PyTorch can use and than ours, which writes both.</summary>
    public static string[] Forms(SharingApproximation approximation) =>
        approximation == SharingApproximation.Expand ? [Matmul, "ssyrk"] : [Matmul];

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        if (_approximation == SharingApproximation.Expand)
        {
            Gram.Expand(stream, _inputs.Next(), 1f / Rows, 0, _factor);
        }
        else
        {
            Gram.Reduce(stream, _inputs.Next(), _shape.Sharing, SharingScale.Mean, 1f / _shape.Examples, 0, _factor);
        }
    }

    public override double? MeasureError()
    {
        if (_approximation != SharingApproximation.Expand || _form != Matmul)
        {
            return null;
        }

        DeviceStream stream = _arena.Device.DefaultStream;
        var operand = ProductOperand.Read(stream, _inputs.Next(), depthsAreRows: true);
        return ProductError.Of(stream, operand, operand, 1.0 / Rows, Rows, _factor);
    }

    public override void Dispose() => _arena.Dispose();
}
