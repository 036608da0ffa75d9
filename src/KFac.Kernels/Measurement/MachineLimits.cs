using System.Globalization;
using System.Text.Json.Serialization;

namespace KFac.Kernels;

/// <summary>What a device does at most, measured: the denominators of every share of a limit.</summary>
/// <param name="Gflops">10⁹ float32 operations a second on all threads, with the vectors that the device was opened with; a
/// multiply-add counts as two.</param>
/// <param name="SingleThreadGflops">The same on one thread, or one block of a GPU.</param>
/// <param name="ReadGBps">10⁹ bytes a second that a sum over memory beyond the caches reads.</param>
/// <param name="CopyGBps">10⁹ bytes a second that a copy beyond the caches moves, read and written bytes together.</param>
/// <param name="WriteGBps">10⁹ bytes a second that a fill with ones beyond the caches writes: processors that read more a cycle than
/// they write have little more here than the written half of a copy, and zeros can cost less than other numbers.</param>
/// <param name="TensorGflops">10⁹ operations a second of a GPU's tensor cores on TF32 factors, by instructions of a warp
/// (<c>mma.sync</c>); null where there are none.</param>
public sealed record MachineLimits(
    double Gflops,
    double SingleThreadGflops,
    double ReadGBps,
    double CopyGBps,
    double WriteGBps,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] double? TensorGflops = null)
{
    /// <summary>The least that a thread of many should reach of what one alone does.</summary>
    private const double LeastShare = 0.75;

    /// <summary>Measures for a second or two, see <see cref="LimitMeter"/>.</summary>
    /// <exception cref="OperationCanceledException">As requested.</exception>
    public static MachineLimits Measure(Device device, CancellationToken cancellation = default)
    {
        using var meter = new LimitMeter(device);
        return meter.Measure(cancellation);
    }

    /// <summary>A sentence for people where all threads together reach too little of what each would alone, else null.</summary>
    /// <param name="threads">Threads that <see cref="Gflops"/> was measured with.</param>
    public string? BusyWarning(int threads)
    {
        double times = Gflops / SingleThreadGflops;
        return threads == 1 || times >= LeastShare * threads
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{threads} threads reach {times:0.00} times the multiply-adds of one, wanted at least {LeastShare * threads:0.00}: the machine is busy, or the threads share cores. All figures are worth little.");
    }
}
