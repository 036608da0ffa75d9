namespace KFac.Kernels;

/// <summary>Work that does nothing but reach one limit of a device, so that other operations can be held against it.</summary>
/// <remarks>Every call runs as many tasks as there are sums. <see cref="MachineLimits"/> times these.</remarks>
public static class LimitProbe
{
    /// <summary>In every task, independent chains of <c>c ← c·½ + 1</c> from 0, in registers only: arithmetic without memory.</summary>
    /// <param name="links">Links of each chain, at least 1.</param>
    /// <param name="sums">Receives, for each task, the sum of its chains' ends: their number times <c>2 − 2^(1−links)</c>,
    /// exactly 2 from 26 links on.</param>
    /// <returns>Floating-point operations of one task: two for each link of each chain.</returns>
    public static long MultiplyAdd(DeviceStream stream, int links, VectorView<float> sums)
    {
        ILimitProbeKernel kernel = Check.Kernel(stream, static table => table.LimitProbe, nameof(LimitProbe));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(links);
        Check.View(stream, sums, nameof(sums));
        return kernel.MultiplyAdd(links, sums);
    }

    /// <summary>In every task, independent accumulators that grow by a product of constant small matrices on tensor cores, their
    /// factors in TF32, by 1 in each element and link: the arithmetic of a matrix product without its memory.</summary>
    /// <param name="links">Links of each chain, at least 1.</param>
    /// <param name="sums">Receives, for each task, the sum over its accumulators in float32; untouched where the device has no
    /// tensor cores.</param>
    /// <returns>Floating-point operations of one task; 0 where the device has no tensor cores.</returns>
    public static long TensorMultiplyAdd(DeviceStream stream, int links, VectorView<float> sums)
    {
        ILimitProbeKernel kernel = Check.Kernel(stream, static table => table.LimitProbe, nameof(LimitProbe));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(links);
        Check.View(stream, sums, nameof(sums));
        return kernel.TensorMultiplyAdd(links, sums);
    }

    /// <summary>Tasks that keep the whole device busy.</summary>
    public static int Tasks(DeviceStream stream) =>
        Check.Kernel(stream, static table => table.LimitProbe, nameof(LimitProbe)).Tasks;

    /// <summary>Reads a vector once, front to back in every task's part.</summary>
    /// <param name="sums">Receives, for each task, the sum of its part in float32; the parts are consecutive, each of
    /// ⌈length/tasks⌉ elements as long as there are any. Must not overlap x.</param>
    public static void Read(DeviceStream stream, VectorView<float> x, VectorView<float> sums)
    {
        ILimitProbeKernel kernel = Check.Kernel(stream, static table => table.LimitProbe, nameof(LimitProbe));
        Check.View(stream, x, nameof(x));
        Check.View(stream, sums, nameof(sums));
        Check.NoOverlap(sums, x, nameof(sums), nameof(x));
        kernel.Read(x, sums);
    }

    /// <summary>Copies a vector around the caches where the device can: what memory gives, not what a copy for use costs.</summary>
    /// <param name="y">Receives x; as long as x, and must not overlap it.</param>
    public static void Copy(DeviceStream stream, VectorView<float> x, VectorView<float> y)
    {
        ILimitProbeKernel kernel = Check.Kernel(stream, static table => table.LimitProbe, nameof(LimitProbe));
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.Length(y, x.Length, nameof(y));
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        kernel.Copy(x, y);
    }
}

/// <summary>A device's implementation of <see cref="LimitProbe"/>.</summary>
internal interface ILimitProbeKernel
{
    int Tasks { get; }

    long MultiplyAdd(int links, VectorView<float> sums);

    long TensorMultiplyAdd(int links, VectorView<float> sums);

    void Read(VectorView<float> x, VectorView<float> sums);

    void Copy(VectorView<float> x, VectorView<float> y);
}
