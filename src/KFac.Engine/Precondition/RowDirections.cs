using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Directions of layers whose gradient is given by few rows, <c>s·LᵀR</c> with <c>L = G·B⁻¹</c> and <c>R = X·A⁻¹</c>: they are never formed, but
/// multiplied into the velocity.</summary>
/// <remarks>The rows of all layers are kept until the factor of KL clipping is known. A direction that is formed is written, scaled, and read again by the
/// update: for 100 rows of width 1000 that takes half as long as the product.</remarks>
internal sealed class RowDirections : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly KroneckerInverses _inverses;
    private readonly GradientRows _rows;
    private readonly RowStore[] _leftMemory;
    private readonly RowStore[] _right;
    private readonly MatrixView<float>[] _left;
    private readonly bool[] _isGiven;
    private readonly SolveBatch _solves;

    /// <param name="inverses">Those that <see cref="KroneckerInverses.PreconditionsRows"/>.</param>
    /// <param name="rows">Keeps no more of a layer than <see cref="KroneckerInverses.MostRows"/>.</param>
    public RowDirections(DeviceStream stream, IReadOnlyList<KroneckerLayer> layers, KroneckerInverses inverses, GradientRows rows)
    {
        _stream = stream;
        _inverses = inverses;
        _rows = rows;
        _leftMemory = [.. layers.Select(layer => new RowStore(stream, layer.OutputWidth))];
        _right = [.. layers.Select(layer => new RowStore(stream, layer.FactorInputWidth))];
        _left = new MatrixView<float>[layers.Count];
        _isGiven = new bool[layers.Count];
        _solves = new SolveBatch(stream);
    }

    /// <summary>Whether the layer's direction of this step is given by rows.</summary>
    public bool IsGiven(int layer) => _isGiven[layer];

    /// <summary>Forgets the directions of the last step.</summary>
    public void Clear() => Array.Clear(_isGiven);

    /// <summary>Preconditions a layer's rows; false where it has none. What they become is undefined before
    /// <see cref="Solve"/>.</summary>
    public bool TryPrecondition(int layer)
    {
        if (!_rows.TryGet(layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients))
        {
            return false;
        }

        _leftMemory[layer].Clear();
        _right[layer].Clear();
        MatrixView<float> left = _leftMemory[layer].Append(inputs.Rows);
        MatrixView<float> right = _right[layer].Append(inputs.Rows);
        _left[layer] = _inverses.PreconditionRows(layer, outputGradients, inputs, left, right, _solves);
        _isGiven[layer] = true;
        return true;
    }

    /// <summary>Computes the rows of all layers that await it together.</summary>
    public void Solve() => _solves.Run();

    /// <summary>⟨∇W, ΔW⟩ of a layer.</summary>
    /// <param name="product">[1].</param>
    public void Product(int layer, VectorView<double> product)
    {
        if (_rows.TryGet(layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients))
        {
            _inverses.ProductOfRows(outputGradients, inputs, _left[layer], _right[layer].Rows, _rows.Scale, product);
        }
    }

    /// <summary>Scales a layer's direction.</summary>
    /// <param name="factor">[1].</param>
    public void Scale(int layer, VectorView<float> factor) => Clipping.Apply(_stream, factor, _right[layer].Rows);

    /// <summary><c>v ← μ·v + ΔW + decay·θ; θ ← θ − η·v</c>.</summary>
    /// <param name="step">Without Nesterov's term, which would need ΔW once more.</param>
    public void Update(int layer, in MomentumStep step, MatrixView<float> velocity, MatrixView<float> parameters)
    {
        float kept = step.Momentum;
        if (step.WeightDecay != 0)
        {
            Elementwise.Axpby(_stream, step.WeightDecay, parameters, kept, velocity);
            kept = 1;
        }

        Gemm.Run(_stream, Transpose.Yes, Transpose.No, _rows.Scale, _left[layer], _right[layer].Rows, kept, velocity);
        Elementwise.Axpby(_stream, -step.LearningRate, velocity, 1, parameters);
    }

    public void Dispose()
    {
        foreach (RowStore store in _leftMemory.Concat(_right))
        {
            store.Dispose();
        }
    }
}
