using KFac.Kernels;
using KFac.Testing;

namespace KFac.Engine.Tests;

/// <summary>A model whose rows are made by hand: what each layer hands over is set by the test, and calls are counted.</summary>
internal sealed class FakeModel : ICurvatureModel
{
    public FakeModel(params KroneckerLayer[] layers)
    {
        Layers = layers;
        Inputs = [.. layers.Select(_ => new List<LayerRows>())];
        Gradients = [.. layers.Select(_ => new List<LayerRows>())];
    }

    public IReadOnlyList<KroneckerLayer> Layers { get; }

    public SharingApproximation LossSetting { get; set; } = SharingApproximation.Reduce;

    public int LossTerms { get; set; } = 1;

    /// <summary>By layer, its hand-overs.</summary>
    public List<LayerRows>[] Inputs { get; }

    /// <inheritdoc cref="Inputs"/>
    public List<LayerRows>[] Gradients { get; }

    public int GradientPasses { get; private set; }

    public (CurvatureKind Kind, int Samples, PhiloxKey Key) LastRequest { get; private set; }

    /// <summary>Uniform rows for every layer, different for every seed.</summary>
    public void FillUniform(DeviceStream stream, Arena arena, int examples, ulong seed, int seeds = 1)
    {
        LossTerms = examples;
        for (int layer = 0; layer < Layers.Count; layer++)
        {
            ulong own = (seed * 100) + (2 * (ulong)layer);
            Inputs[layer] = [Rows(stream, arena, examples, 1, 1, Layers[layer].InputWidth, own)];
            Gradients[layer] = [Rows(stream, arena, examples, 1, seeds, Layers[layer].OutputWidth, own + 1)];
        }
    }

    /// <summary>One hand-over of uniform rows.</summary>
    public static LayerRows Rows(
        DeviceStream stream, Arena arena, int examples, int sharing, int seeds, int width, ulong seed, float scale = 1)
    {
        MatrixView<float> rows = arena.Matrix<float>(seeds * examples * sharing, width);
        stream.Upload(TestData.Uniform(rows.Rows * width, seed), rows);
        return new LayerRows(rows, examples, sharing, null, seeds, scale);
    }

    public void CaptureInputs(ICaptureSink sink)
    {
        for (int layer = 0; layer < Inputs.Length; layer++)
        {
            for (int i = 0; i < Inputs[layer].Count; i++)
            {
                sink.Inputs(layer, Inputs[layer][i]);
            }
        }
    }

    public void CaptureOutputGradients(CurvatureKind kind, int samples, DeviceKey key, ICaptureSink sink)
    {
        GradientPasses++;
        ulong completion = key.Sequence.Buffer is { } buffer ? buffer.Device.DefaultStream.Read(key.Sequence) : 0;
        LastRequest = (kind, samples, key.Key with { Sequence = key.Key.Sequence ^ completion });
        DeliverGradients(sink);
    }

    /// <summary>Delivers the gradients as a training backward pass would, last layer first.</summary>
    public void DeliverGradients(ICaptureSink sink)
    {
        for (int layer = Gradients.Length - 1; layer >= 0; layer--)
        {
            for (int i = 0; i < Gradients[layer].Count; i++)
            {
                sink.OutputGradients(layer, Gradients[layer][i]);
            }
        }
    }
}
