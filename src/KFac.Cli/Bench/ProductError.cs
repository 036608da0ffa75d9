using KFac.Kernels;

namespace KFac.Cli;

/// <summary>The distance of a product of matrices from the same product in float64, at 16×16 elements spread over the result.</summary>
/// <remarks>The root mean square of <c>|c − Σ l·r|/Σ|l·r|</c> in units of 2⁻²⁴. Taken relative to the terms' magnitudes it does not
/// depend on how much of the sum cancels, so results of different inputs of one distribution can be compared.</remarks>
internal static class ProductError
{
    private const int Samples = 16;
    private const double Unit = 1.0 / (1 << 24);

    /// <summary>The error of <c>result = scale·left·rightᵀ</c>, both operands as lines of <paramref name="depth"/> elements.</summary>
    public static double Of(DeviceStream stream, ProductOperand left, ProductOperand right, double scale, int depth, MatrixView<float> result)
    {
        var actual = new float[result.Rows * result.Columns];
        stream.Download(result, actual);
        double squares = 0;
        for (int sample = 0; sample < Samples * Samples; sample++)
        {
            int row = Spread(sample / Samples, result.Rows);
            int column = Spread(sample % Samples, result.Columns);
            double sum = 0;
            double magnitude = 0;
            for (int k = 0; k < depth; k++)
            {
                double term = scale * left.At(row, k) * right.At(column, k);
                sum += term;
                magnitude += Math.Abs(term);
            }

            double error = (actual[((long)row * result.Columns) + column] - sum) / Math.Max(magnitude, double.Epsilon);
            squares += error * error;
        }

        return Math.Sqrt(squares) / Samples / Unit;
    }

    private static int Spread(int sample, int length) => (int)((long)sample * (length - 1) / (Samples - 1));
}

/// <summary>A factor of a product on the host: lines that run along the depth of the product.</summary>
internal sealed class ProductOperand
{
    private readonly float[] _elements;
    private readonly long _lineStep;
    private readonly long _depthStep;

    private ProductOperand(float[] elements, long lineStep, long depthStep)
    {
        _elements = elements;
        _lineStep = lineStep;
        _depthStep = depthStep;
    }

    /// <param name="depthsAreRows">Whether the matrix has a row for every depth, rather than a column.</param>
    public static ProductOperand Read(DeviceStream stream, MatrixView<float> matrix, bool depthsAreRows)
    {
        var elements = new float[checked(matrix.Rows * matrix.Columns)];
        stream.Download(matrix, elements);
        return depthsAreRows ? new ProductOperand(elements, 1, matrix.Columns) : new ProductOperand(elements, matrix.Columns, 1);
    }

    public double At(int line, int depth) => _elements[(line * _lineStep) + (depth * _depthStep)];
}
