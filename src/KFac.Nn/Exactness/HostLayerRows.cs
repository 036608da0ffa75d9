using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Copies what one layer hands over to the host, and reduces it as Listing 3.1 of the thesis does.</summary>
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
        var values = new float[rows.Rows.Rows * rows.Rows.Columns];
        stream.Download(rows.Rows, values);
        foreach (float value in values)
        {
            destination.Add(value * rows.Scale);
        }

        return rows.Rows.Columns;
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
