using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Mean eigenvalues <c>tr A / n</c> of several matrices, read back together.</summary>
internal sealed class TraceReader(DeviceStream stream, Arena arena, int count)
{
    private readonly VectorView<double> _device = arena.Vector<double>(count);
    private readonly double[] _means = new double[count];
    private readonly int[] _widths = new int[count];

    /// <summary>Measures a matrix of the wanted trace.</summary>
    /// <param name="width">Eigenvalues that the mean is over; the matrix's own number where it is not given.</param>
    public void Measure(int index, MatrixView<float> matrix, int? width = null)
    {
        Reduction.Trace(stream, matrix, _device.Slice(index, 1));
        _widths[index] = width ?? matrix.Rows;
    }

    /// <summary>Measures a matrix that is given by its diagonal.</summary>
    /// <param name="diagonal">[1, n].</param>
    public void MeasureDiagonal(int index, MatrixView<float> diagonal)
    {
        Reduction.Sum(stream, diagonal, _device.Slice(index, 1));
        _widths[index] = diagonal.Columns;
    }

    /// <summary>Waits for what has been measured.</summary>
    public void Read()
    {
        stream.Download(_device, _means);
        for (int i = 0; i < _means.Length; i++)
        {
            _means[i] /= _widths[i];
        }
    }

    public double MeanOf(int index) => _means[index];
}
