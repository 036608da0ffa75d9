using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The sequence of a step's random numbers, on the device: recorded passes read it there. Costs nothing where none are drawn.</summary>
internal sealed class StepSequence(DeviceStream stream) : IDisposable
{
    private readonly Arena _arena = new(stream.Device);
    private VectorView<ulong> _device;
    private ulong _shown;

    /// <summary>Makes passes from now on draw from this sequence.</summary>
    public void Show(ulong sequence)
    {
        if (!_device.IsEmpty && _shown != sequence)
        {
            stream.Upload<ulong>(new ReadOnlySpan<ulong>(in sequence), _device);
            _shown = sequence;
        }
    }

    /// <summary>Where it lies, [1]; the first use puts it there.</summary>
    public VectorView<ulong> OnDevice(ulong sequence)
    {
        if (_device.IsEmpty)
        {
            VectorView<ulong> device = _arena.Vector<ulong>(1);
            stream.Upload<ulong>(new ReadOnlySpan<ulong>(in sequence), device);
            (_device, _shown) = (device, sequence);
        }

        return _device;
    }

    public void Dispose() => _arena.Dispose();
}
