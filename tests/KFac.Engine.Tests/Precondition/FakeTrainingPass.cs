using KFac.Kernels;
using KFac.Testing;

namespace KFac.Engine.Tests;

/// <summary>A training pass made by hand: uniform rows for every layer, the gradients that they make, and their delivery.</summary>
internal sealed class FakeTrainingPass(Device device, Arena arena, IReadOnlyList<KroneckerLayer> layers, ParameterSet parameters)
{
    private readonly List<(int Layer, MatrixView<float> Inputs, MatrixView<float> OutputGradients)> _uses = [];

    /// <summary>Makes new rows, writes their gradients and delivers them; a layer in <paramref name="twice"/> is used again with other rows.</summary>
    /// <param name="sink">Null delivers nothing.</param>
    public void Run(ITrainingSink? sink, int rows, ulong seed, int twice = -1)
    {
        _uses.Clear();
        for (int layer = 0; layer < layers.Count; layer++)
        {
            Add(layer, rows, (seed * 1000) + (4 * (ulong)layer));
            if (layer == twice)
            {
                Add(layer, rows, (seed * 1000) + (4 * (ulong)layer) + 2);
            }
        }

        WriteGradients();
        Deliver(sink);
    }

    public void Deliver(ITrainingSink? sink)
    {
        sink?.BeginPass();
        foreach ((int layer, MatrixView<float> inputs, MatrixView<float> outputGradients) in _uses)
        {
            sink?.WeightGradient(layer, inputs, outputGradients);
        }

        sink?.EndPass(parameters);
    }

    private void Add(int layer, int rows, ulong seed) => _uses.Add((
        layer,
        arena.Upload(rows, layers[layer].InputWidth, TestData.Uniform(rows * layers[layer].InputWidth, seed)),
        arena.Upload(rows, layers[layer].OutputWidth, TestData.Uniform(rows * layers[layer].OutputWidth, seed + 1))));

    private void WriteGradients()
    {
        var gradients = new double[parameters.Gradients.Length];
        foreach ((int layer, MatrixView<float> inputs, MatrixView<float> outputGradients) in _uses)
        {
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
