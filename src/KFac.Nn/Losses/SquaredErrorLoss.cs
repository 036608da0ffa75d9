using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Squared error <c>½ (f − y)ᵀ Σ⁻¹ (f − y)</c>: a Gaussian likelihood with precision Σ⁻¹, without its constant.</summary>
/// <remarks>The root of its Hessian is the Cholesky factor L of <c>Σ⁻¹ = L·Lᵀ</c>. A sample y ~ N(f, Σ) is
/// <c>f − L⁻ᵀε</c>, whose gradient <c>Σ⁻¹(f − y) = L·ε</c> needs no inverse.</remarks>
public sealed class SquaredErrorLoss : Loss
{
    private readonly int _width;
    private readonly float[]? _precision;
    private readonly float[]? _rootTransposed;

    /// <summary>Unit precision: <c>½‖f − y‖²</c>.</summary>
    public SquaredErrorLoss()
    {
    }

    /// <summary>Any precision.</summary>
    /// <param name="precision">Σ⁻¹, [C, C], symmetric positive definite.</param>
    /// <exception cref="ArgumentException">Σ⁻¹ is not square, symmetric, finite or positive definite.</exception>
    public SquaredErrorLoss(double[,] precision)
    {
        ArgumentNullException.ThrowIfNull(precision);
        double[,] root = PrecisionRoot.Of(precision);
        _width = root.GetLength(0);
        _precision = new float[_width * _width];
        _rootTransposed = new float[_width * _width];
        for (int i = 0; i < _width; i++)
        {
            for (int j = 0; j < _width; j++)
            {
                _precision[(i * _width) + j] = (float)precision[i, j];
                _rootTransposed[(i * _width) + j] = (float)root[j, i];
            }
        }
    }

    /// <inheritdoc/>
    public override LossEvaluation Evaluate(DeviceStream stream, Arena arena, MatrixView<float> outputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(arena);
        CheckValues(outputs, targets, nameof(SquaredErrorLoss));
        MatrixView<float> residuals = arena.Matrix<float>(outputs.Rows, outputs.Columns);
        Elementwise.Copy(stream, outputs, residuals);
        Elementwise.Axpby(stream, -1f, targets.Values, 1f, residuals);
        MatrixView<float> weighted = residuals;
        if (_precision is not null)
        {
            weighted = arena.Matrix<float>(outputs.Rows, outputs.Columns);
            MatrixView<float> precision = Load(stream, arena, _precision, outputs);
            Gemm.Run(stream, Transpose.No, Transpose.No, 1f, residuals, precision, 0f, weighted);
        }

        VectorView<float> losses = arena.Vector<float>(outputs.Rows);
        Reduction.RowDot(stream, residuals, weighted, 0.5f, losses);
        return new LossEvaluation(outputs, targets, weighted, losses);
    }

    /// <inheritdoc/>
    public override void Gradient(DeviceStream stream, in LossEvaluation evaluation, float scale, MatrixView<float> gradient) =>
        Elementwise.Axpby(stream, scale, evaluation.Predictions, 0f, gradient);

    /// <inheritdoc/>
    public override void SampledGradient(
        DeviceStream stream, Arena scratch, in LossEvaluation evaluation, DeviceKey key, int sample, MatrixView<float> gradient)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(scratch);
        MatrixView<float> noise = scratch.Matrix<float>(gradient.Rows, gradient.Columns);
        ulong numbers = (ulong)noise.Rows * (ulong)noise.Columns;
        Philox.Normal(stream, key, (ulong)sample * (numbers + (numbers % 2)), noise.AsVector());
        if (_rootTransposed is null)
        {
            Elementwise.Copy(stream, noise, gradient);
            return;
        }

        MatrixView<float> rootTransposed = Load(stream, scratch, _rootTransposed, evaluation.Outputs);
        Gemm.Run(stream, Transpose.No, Transpose.No, 1f, noise, rootTransposed, 0f, gradient);
    }

    /// <inheritdoc/>
    public override void HessianRoot(
        DeviceStream stream, in LossEvaluation evaluation, int firstColumn, MatrixView<float> columns)
    {
        ArgumentNullException.ThrowIfNull(stream);
        (int rows, int width) = (evaluation.Outputs.Rows, evaluation.Outputs.Columns);
        int count = rows == 0 ? 0 : columns.Rows / rows;
        if (columns.Columns != width || columns.Rows != count * rows || firstColumn < 0 || firstColumn + count > width)
        {
            throw new ArgumentException(
                $"Root columns from {firstColumn} on of outputs {rows}×{width} do not fit {columns}; wanted blocks of {rows} rows, {width} at most.",
                nameof(columns));
        }

        Elementwise.Fill(stream, 0f, columns);
        for (int i = 0; i < count; i++)
        {
            WriteRootColumn(stream, firstColumn + i, columns.RowRange(i * rows, rows));
        }
    }

    /// <summary>Every row of the block becomes column <paramref name="column"/> of L; the block is zero before.</summary>
    private void WriteRootColumn(DeviceStream stream, int column, MatrixView<float> block)
    {
        for (int j = column; j < block.Columns; j++)
        {
            float value = RootElement(j, column);
            if (value != 0f)
            {
                Elementwise.Fill(stream, value, block.Slice(0, j, block.Rows, 1));
            }
        }
    }

    private float RootElement(int row, int column) =>
        _rootTransposed is null ? (row == column ? 1f : 0f) : _rootTransposed[(column * _width) + row];

    private MatrixView<float> Load(DeviceStream stream, Arena arena, float[] matrix, MatrixView<float> outputs)
    {
        if (outputs.Columns != _width)
        {
            throw new ArgumentException(
                $"{nameof(SquaredErrorLoss)} has a {_width}×{_width} precision and outputs of {outputs}; wanted width {_width}.");
        }

        MatrixView<float> view = arena.Matrix<float>(_width, _width);
        stream.Upload<float>(matrix, view);
        return view;
    }
}
