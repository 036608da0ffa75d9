using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;

namespace KFac.Nn.Tests;

/// <summary>A loss on random outputs and targets, and its float64 twin.</summary>
internal sealed class LossCase : IDisposable
{
    public const int Width = 3;

    private const float Smoothing = 0.2f;

    private static readonly double[,] _precision = { { 2, 0.5, 0.25 }, { 0.5, 1.5, -0.5 }, { 0.25, -0.5, 1 } };

    private readonly string _name;
    private readonly Device _device = TestDevice.OpenDefault();
    private readonly int[] _labels;
    private readonly double[] _values;
    private readonly double[] _outputs;

    /// <param name="rows">Number of terms; every fourth target is masked where the loss knows masks.</param>
    /// <param name="repeatRow">Whether all rows are alike and unmasked, for statistics.</param>
    public LossCase(string name, int rows, bool repeatRow = false)
    {
        _name = name;
        Arena = new Arena(_device);
        Rows = rows;
        Loss = name switch
        {
            "cross-entropy" => new CrossEntropyLoss(),
            "smoothed cross-entropy" => new CrossEntropyLoss(Smoothing),
            "bernoulli" => new BernoulliLoss(),
            "squared error" => new SquaredErrorLoss(),
            _ => new SquaredErrorLoss(_precision),
        };

        float[] outputs = TestData.Uniform(rows * Width, 1);
        float[] values = TestData.Uniform(rows * Width, 2);
        _labels = TestData.Integers(rows, Width, 3);
        for (int i = 0; i < outputs.Length; i++)
        {
            outputs[i] = repeatRow ? outputs[i % Width] : 2 * outputs[i];
            values[i] = name == "bernoulli" ? (1 + values[i]) / 2 : values[i];
            bool masked = !repeatRow && i % 4 == 1;
            values[i] = masked && name == "bernoulli" ? float.NaN : values[i];
            _labels[i / Width] = masked && i % Width == 0 ? Targets.Masked : _labels[i / Width];
        }

        _outputs = TestData.ToDouble(outputs);
        _values = TestData.ToDouble(values);
        MatrixView<float> view = Arena.Matrix<float>(rows, Width);
        Stream.Upload<float>(outputs, view);
        Targets targets = name.EndsWith("cross-entropy", StringComparison.Ordinal)
            ? Targets.FromLabels(Stream, Arena, _labels, Width)
            : Targets.FromValues(Stream, Arena, values, rows, Width);
        Evaluation = Loss.Evaluate(Stream, Arena, view, targets);
    }

    public static IReadOnlyList<string> Names { get; } = ["cross-entropy", "smoothed cross-entropy", "bernoulli", "squared error", "precision"];

    public DeviceStream Stream => _device.DefaultStream;

    public Arena Arena { get; }

    public Loss Loss { get; }

    public int Rows { get; }

    public LossEvaluation Evaluation { get; }

    public double[] ReferenceLosses() => [.. Enumerable.Range(0, Rows).Select(row => Term(row, OutputRow(row)))];

    public double[] ReferenceGradient() =>
        [.. Enumerable.Range(0, Rows).SelectMany(row => FiniteDifference.Gradient(z => Term(row, z), OutputRow(row)))];

    /// <summary>[C, C] of one row.</summary>
    public double[] ReferenceHessian(int row) => _name switch
    {
        "cross-entropy" or "smoothed cross-entropy" when _labels[row] == Targets.Masked => new double[Width * Width],
        "cross-entropy" or "smoothed cross-entropy" => LossFunctions.CrossEntropyHessian(OutputRow(row)),
        "bernoulli" => LossFunctions.BernoulliHessian(OutputRow(row), _values.AsSpan(row * Width, Width)),
        "squared error" => [1, 0, 0, 0, 1, 0, 0, 0, 1],
        _ => [.. _precision.Cast<double>()],
    };

    public float[] Read(MatrixView<float> view)
    {
        var values = new float[view.Rows * view.Columns];
        Stream.Download(view, values);
        return values;
    }

    public void Dispose()
    {
        Arena.Dispose();
        _device.Dispose();
    }

    private double[] OutputRow(int row) => _outputs[(row * Width)..((row + 1) * Width)];

    private double Term(int row, double[] z)
    {
        Span<double> target = _values.AsSpan(row * Width, Width);
        return _name switch
        {
            "cross-entropy" => LossFunctions.CrossEntropy(z, _labels[row]),
            "smoothed cross-entropy" => SoftmaxCrossEntropyReference.SmoothedLoss(z, _labels[row], Smoothing),
            "bernoulli" => LossFunctions.Bernoulli(z, target),
            "squared error" => LossFunctions.SquaredError(z, target, [1, 0, 0, 0, 1, 0, 0, 0, 1]),
            _ => LossFunctions.SquaredError(z, target, [.. _precision.Cast<double>()]),
        };
    }
}
