using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Numbers that change from step to step, in memory that kernels read when they run: recorded steps are given new ones there.</summary>
internal sealed class StepNumbers(DeviceStream stream, Arena arena, int count)
{
    private readonly VectorView<double> _device = arena.Vector<double>(count);
    private readonly double[] _host = new double[count];

    /// <summary>A number as it will be after the next <see cref="Upload"/>.</summary>
    public double this[int index]
    {
        set => _host[index] = value;
    }

    /// <summary>Where numbers lie.</summary>
    public VectorView<double> OnDevice(int first, int length) => _device.Slice(first, length);

    /// <summary>Gives the numbers to the work that follows.</summary>
    public void Upload() => stream.Upload(_host, _device);
}
