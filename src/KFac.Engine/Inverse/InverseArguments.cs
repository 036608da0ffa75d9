using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Checks of what <see cref="KroneckerInverses"/> are given.</summary>
internal sealed class InverseArguments(IReadOnlyList<KroneckerLayer> layers, InverseOptions options)
{
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    public void CheckLayer(int layer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, layers.Count);
    }

    /// <summary>Checks the factors of an update.</summary>
    /// <exception cref="ArgumentException">The number of pairs or a shape is wrong.</exception>
    public void CheckFactors(ReadOnlySpan<KroneckerPair> factors)
    {
        if (factors.Length != layers.Count)
        {
            throw new ArgumentException($"There are {factors.Length} pairs of factors; wanted one for each of {layers.Count} layers.");
        }

        for (int layer = 0; layer < factors.Length; layer++)
        {
            CheckFactor(factors[layer].A, factors[layer].RowsOfA, layers[layer].FactorInputWidth, "A", layer);
            if (layers[layer].HasDiagonalOutput)
            {
                CheckDiagonal(factors[layer], layer);
            }
            else if (options.Style != DampingStyle.InputOnly)
            {
                CheckFactor(factors[layer].B, factors[layer].RowsOfB, layers[layer].OutputWidth, "B", layer);
            }
        }
    }

    /// <summary>Checks a gradient of a layer that there is.</summary>
    /// <exception cref="ArgumentException">Its shape is wrong.</exception>
    public void CheckGradient(int layer, MatrixView<float> gradient)
    {
        KroneckerLayer description = layers[layer];
        if (gradient.Rows != description.OutputWidth || gradient.Columns != description.FactorInputWidth)
        {
            throw new ArgumentException(
                $"The gradient of layer '{description.Name}' is {gradient}; wanted {description.OutputWidth}×{description.FactorInputWidth}.");
        }
    }

    /// <summary>Checks the rows of a gradient of a layer that there is.</summary>
    /// <exception cref="ArgumentException">A shape is wrong.</exception>
    public void CheckRows(int layer, MatrixView<float> outputGradients, MatrixView<float> inputs)
    {
        KroneckerLayer description = layers[layer];
        if (outputGradients.Rows != inputs.Rows
            || outputGradients.Columns != description.OutputWidth
            || inputs.Columns != description.FactorInputWidth)
        {
            throw new ArgumentException(
                $"The rows of layer '{description.Name}' are {outputGradients} and {inputs}; "
                + $"wanted equally many of widths {description.OutputWidth} and {description.FactorInputWidth}.");
        }
    }

    private void CheckFactor(MatrixView<float> matrix, in FactorRows rows, int width, string factor, int layer)
    {
        if (rows.AreGiven)
        {
            if (!options.AcceptsRows || rows.Rows.Columns != width || !double.IsFinite(rows.Weight))
            {
                throw new ArgumentException(
                    $"Factor {factor} of layer '{layers[layer].Name}' is given by {rows.Rows} rows of weight {rows.Weight}; "
                    + $"wanted width {width}, a finite weight, and AcceptsRows among the options.");
            }

            return;
        }

        if (matrix.Rows != width || matrix.Columns != width)
        {
            throw new ArgumentException($"Factor {factor} of layer '{layers[layer].Name}' is {matrix}; wanted {width}×{width}.");
        }
    }

    private void CheckDiagonal(in KroneckerPair pair, int layer)
    {
        int width = layers[layer].OutputWidth;
        if (pair.RowsOfB.AreGiven || pair.B.Rows != 1 || pair.B.Columns != width)
        {
            throw new ArgumentException(
                $"Factor B of layer '{layers[layer].Name}' is {pair.B}; wanted its diagonal, 1×{width}.");
        }
    }
}
