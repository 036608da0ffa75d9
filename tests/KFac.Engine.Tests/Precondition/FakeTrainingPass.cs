using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Engine.Tests;

/// <summary>A training pass made by hand: uniform rows for every layer, the gradients that they make, and their delivery.</summary>
internal sealed class FakeTrainingPass(Device device, Arena arena, IReadOnlyList<KroneckerLayer> layers, ParameterSet parameters)
{
    private readonly List<(int Layer, MatrixView<float> Inputs, MatrixView<float> OutputGradients)> _uses = [];

    /// <summary>Makes new rows, writes their gradients and delivers them; a layer in <paramref name="twice"/> is used again with other rows.</summary>
    /// <param name="sink">Null delivers nothing.</param>
    /// <param name="mayTake">Whether gradients may be left to the sink; those of which all is taken become NaN.</param>
    /// <param name="more">Rows of the second use, as many as of the first where it is not given.</param>
    public void Run(ITrainingSink? sink, int rows, ulong seed, int twice = -1, bool mayTake = false, int? more = null)
    {
        _uses.Clear();
        for (int layer = 0; layer < layers.Count; layer++)
        {
            Add(layer, rows, (seed * 1000) + (4 * (ulong)layer));
            if (layer == twice)
            {
                Add(layer, more ?? rows, (seed * 1000) + (4 * (ulong)layer) + 2);
            }
        }

        if (!mayTake)
        {
            WriteGradients([]);
        }

        Deliver(sink, mayTake);
    }

    public void Deliver(ITrainingSink? sink, bool mayTake = false)
    {
        sink?.BeginPass(mayTake);
        var taken = new List<int>();
        for (int use = 0; use < _uses.Count; use++)
        {
            if (sink?.WeightGradient(_uses[use].Layer, _uses[use].Inputs, _uses[use].OutputGradients) == true)
            {
                taken.Add(use);
            }
        }

        if (mayTake)
        {
            WriteGradients(taken);
        }
        else
        {
            Assert.Empty(taken);
        }

        sink?.EndPass(parameters);
    }

    private void Add(int layer, int rows, ulong seed) => _uses.Add((
        layer,
        arena.Upload(rows, layers[layer].InputWidth, TestData.Uniform(rows * layers[layer].InputWidth, seed)),
        arena.Upload(rows, layers[layer].OutputWidth, TestData.Uniform(rows * layers[layer].OutputWidth, seed + 1))));

    private void WriteGradients(List<int> taken)
    {
        var gradients = new double[parameters.Gradients.Length];
        foreach (ParameterBlock block in parameters.Blocks)
        {
            int[] uses = [.. Enumerable.Range(0, _uses.Count).Where(use => _uses[use].Layer == block.Layer)];
            gradients.AsSpan(block.Offset, block.Rows * block.Columns).Fill(uses.Length > 0 && uses.All(taken.Contains) ? double.NaN : 0);
        }

        for (int use = 0; use < _uses.Count; use++)
        {
            if (taken.Contains(use))
            {
                continue;
            }

            (int layer, MatrixView<float> inputs, MatrixView<float> outputGradients) = _uses[use];
            ParameterBlock block = parameters.Blocks[layer];
            float[] x = device.Read(inputs);
            float[] g = device.Read(outputGradients);
            for (int i = 0; i < block.Rows * block.Columns; i++)
            {
                (int row, int column) = (i / block.Columns, i % block.Columns);
                for (int n = 0; n < inputs.Rows; n++)
                {
                    double input = column < inputs.Columns ? x[(n * inputs.Columns) + column] : 1;
                    gradients[block.Offset + i] += g[(n * block.Rows) + row] * input;
                }
            }
        }

        device.DefaultStream.Upload([.. gradients.Select(static value => (float)value)], parameters.Gradients);
    }
}
