using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Copies what one layer hands over to the host, and reduces it as Listing 3.1 of the thesis does.</summary>
/// <remarks>Images become rows of patches, one for each output position. Rows of a lookup are refused: they are one-hot, as wide as the vocabulary.</remarks>
internal sealed class HostLayerRows(DeviceStream stream, int layer) : ICaptureSink
{
    private readonly List<double> _inputs = [];
    private readonly List<double> _gradients = [];
    private int _inputWidth;
    private int _outputWidth;
    private int _sharing;

    public void Inputs(int index, in LayerRows rows)
    {
        if (index == layer)
        {
            _inputWidth = Append(rows, _inputs);
            _sharing = rows.Sharing;
        }
    }

    public void OutputGradients(int index, in LayerRows rows)
    {
        if (index == layer)
        {
            _outputWidth = Append(rows, _gradients);
        }
    }

    /// <summary><c>in_data</c>: the rows over √R under expand, the mean over the sharing dimension under reduce.</summary>
    public HostMatrix InData(SharingApproximation approximation) => approximation == SharingApproximation.Expand
        ? Reduce(_inputs, _inputWidth, 1, 1 / Math.Sqrt(_sharing))
        : Reduce(_inputs, _inputWidth, _sharing, 1.0 / _sharing);

    /// <summary><c>out_grads</c>, one block of rows per column of the loss Hessian's root: as they are under expand,
    /// summed over the sharing dimension under reduce.</summary>
    public HostMatrix OutGrads(SharingApproximation approximation) =>
        Reduce(_gradients, _outputWidth, approximation == SharingApproximation.Expand ? 1 : _sharing, 1);

    private int Append(in LayerRows rows, List<double> destination)
    {
        if (rows.IsLookup)
        {
            throw new NotSupportedException($"Layer {layer} hands over tokens; wanted a layer that multiplies its inputs.");
        }

        var values = new float[rows.Rows.Rows * rows.Rows.Columns];
        stream.Download(rows.Rows, values);
        foreach (float value in rows.Convolution is ConvolutionShape shape ? Patches(values, shape) : values)
        {
            destination.Add(value * rows.Scale);
        }

        return rows.Convolution?.PatchWidth ?? rows.Rows.Columns;
    }

    /// <summary>The patches of channels-last images, ordered [channel, kernel row, kernel column]; zeros beyond the edges.</summary>
    private static float[] Patches(float[] pixels, ConvolutionShape shape)
    {
        int images = pixels.Length / shape.ImageElements;
        var patches = new float[(long)images * shape.Positions * shape.PatchWidth];
        for (int i = 0; i < patches.Length; i++)
        {
            (int row, int element) = (i / shape.PatchWidth, i % shape.PatchWidth);
            (int image, int position) = (row / shape.Positions, row % shape.Positions);
            int kernelColumn = element % shape.KernelWidth;
            int kernelRow = element / shape.KernelWidth % shape.KernelHeight;
            int channel = element / (shape.KernelWidth * shape.KernelHeight);
            int y = (position / shape.OutputWidth * shape.Stride) + (kernelRow * shape.Dilation) - shape.Padding;
            int x = (position % shape.OutputWidth * shape.Stride) + (kernelColumn * shape.Dilation) - shape.Padding;
            if (y >= 0 && y < shape.Height && x >= 0 && x < shape.Width)
            {
                patches[i] = pixels[(((((image * shape.Height) + y) * shape.Width) + x) * shape.Channels) + channel];
            }
        }

        return patches;
    }

    private static HostMatrix Reduce(List<double> values, int width, int group, double scale)
    {
        var sums = new HostMatrix(values.Count / (width * group), width);
        for (int i = 0; i < values.Count; i++)
        {
            sums[i / (width * group), i % width] += scale * values[i];
        }

        return sums;
    }
}
