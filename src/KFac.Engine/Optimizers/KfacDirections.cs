using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The layers' preconditioned gradients, scaled by KL clipping: <c>ΔW = (A⊗B + damping)⁻¹ ∇W</c> for every Kronecker layer,
/// times <c>min(1, √(κ/(η² Σ_ℓ ⟨∇W_ℓ, ΔW_ℓ⟩)))</c>.</summary>
/// <remarks>Layers that the training pass left as rows are preconditioned by rows, and their inner products with them; where the update allows it their
/// directions stay rows (<see cref="RowDirections"/>).</remarks>
internal sealed class KfacDirections : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly ParameterSet _parameters;
    private readonly KroneckerInverses _inverses;
    private readonly GradientRows _rows;
    private readonly double? _klClip;
    private readonly VectorView<double> _products;
    private readonly VectorView<float> _klFactor;
    private readonly VectorView<float>[] _layerRuns;
    private readonly RowDirections? _asRows;

    /// <param name="arena">Memory for as long as the optimizer lives.</param>
    /// <param name="klClip">κ; null leaves directions as they are.</param>
    /// <param name="mayStayRows">Whether the update can do without directions that are formed.</param>
    public KfacDirections(
        DeviceStream stream,
        Arena arena,
        ParameterSet parameters,
        IReadOnlyList<KroneckerLayer> layers,
        KroneckerInverses inverses,
        GradientRows rows,
        double? klClip,
        bool mayStayRows)
    {
        _stream = stream;
        _parameters = parameters;
        _inverses = inverses;
        _rows = rows;
        _klClip = klClip;
        Values = arena.Vector<float>(parameters.Values.Length);
        _products = arena.Vector<double>(layers.Count);
        _klFactor = arena.Vector<float>(1);
        _layerRuns = KfacBlocks.LayerRuns(Values, parameters.Blocks);
        _asRows = mayStayRows && inverses.PreconditionsRows ? new RowDirections(stream, layers, inverses, rows) : null;
    }

    /// <summary>Directions, laid out as the gradients; those of parameters without Kronecker structure are left to others, those that are given by rows
    /// are undefined.</summary>
    public VectorView<float> Values { get; }

    /// <summary>Writes the layers' directions, before clipping.</summary>
    /// <param name="byRows">Whether rows that were kept stand for gradients.</param>
    public void Precondition(bool byRows)
    {
        _asRows?.Clear();
        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            if (block.Layer >= 0)
            {
                Precondition(block, byRows);
            }
        }

        _asRows?.Solve();
    }

    /// <summary>Scales the layers' directions.</summary>
    /// <param name="learningRate">[1], η.</param>
    public void Clip(bool byRows, VectorView<double> learningRate)
    {
        if (_klClip is not { } clip)
        {
            return;
        }

        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            if (IsGivenByRows(block))
            {
                _asRows!.Product(block.Layer, _products.Slice(block.Layer, 1));
            }
            else if (block.Layer >= 0 && !(byRows && _rows.IsKept(block.Layer)))
            {
                Reduction.Dot(_stream, _parameters.GradientsOf(block), ParameterSet.View(Values, block), _products.Slice(block.Layer, 1));
            }
        }

        Clipping.ByDivergence(_stream, _products, learningRate, clip, _klFactor);
        if (_asRows is null || !byRows)
        {
            foreach (VectorView<float> run in _layerRuns)
            {
                Clipping.Apply(_stream, _klFactor, run.AsMatrix(1, run.Length));
            }

            return;
        }

        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            if (IsGivenByRows(block))
            {
                _asRows.Scale(block.Layer, _klFactor);
            }
            else if (block.Layer >= 0)
            {
                Clipping.Apply(_stream, _klFactor, ParameterSet.View(Values, block));
            }
        }
    }

    /// <summary>Takes the step: <c>v ← μ·v + ΔW + decay·θ; θ ← θ − η·v</c>, or as Nesterov's rule says.</summary>
    /// <param name="step">Its learning rate is the one in <paramref name="learningRate"/>, on the host.</param>
    /// <param name="learningRate">[1], η.</param>
    public void Update(in MomentumStep step, VectorView<double> learningRate, VectorView<float> velocity)
    {
        int start = 0;
        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            if (!IsGivenByRows(block))
            {
                continue;
            }

            UpdateFormed(step, learningRate, velocity, start, block.Offset);
            _asRows!.Update(block.Layer, step, ParameterSet.View(velocity, block), _parameters.ValuesOf(block));
            start = block.Offset + (block.Rows * block.Columns);
        }

        UpdateFormed(step, learningRate, velocity, start, velocity.Length);
    }

    public void Dispose() => _asRows?.Dispose();

    private bool IsGivenByRows(ParameterBlock block) => block.Layer >= 0 && _asRows?.IsGiven(block.Layer) == true;

    private void UpdateFormed(in MomentumStep step, VectorView<double> learningRate, VectorView<float> velocity, int start, int end)
    {
        if (end > start)
        {
            int length = end - start;
            ParameterUpdate.Momentum(
                _stream, step, Values.Slice(start, length), velocity.Slice(start, length), _parameters.Values.Slice(start, length), learningRate);
        }
    }

    private void Precondition(ParameterBlock block, bool byRows)
    {
        if (byRows && _asRows?.TryPrecondition(block.Layer) == true)
        {
            return;
        }

        MatrixView<float> direction = ParameterSet.View(Values, block);
        if (!byRows || !_rows.TryGet(block.Layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients))
        {
            _inverses.Apply(block.Layer, _parameters.GradientsOf(block), direction);
            return;
        }

        _inverses.ApplyRows(block.Layer, outputGradients, inputs, _rows.Scale, direction);
        if (_klClip is not null)
        {
            _inverses.ProductOfRows(outputGradients, inputs, _rows.Scale, direction, _products.Slice(block.Layer, 1));
        }
    }
}
