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
    private const int Rounds = 15;
    private const int Links = 1_000_000;
    private const int TensorLinks = 100_000;
    private const int Elements = 64 * 1024 * 1024;

    /// <summary>The least that a thread of many should reach of what one alone does.</summary>
    private const double LeastShare = 0.75;

    /// <summary>Measures for one or two seconds, with 512 MiB of memory. Rounds of the kinds alternate, and each keeps its best:
    /// what disturbs a round only ever slows it.</summary>
    /// <exception cref="OperationCanceledException">As requested.</exception>
    public static MachineLimits Measure(Device device, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<float> one = arena.Vector<float>(1);
        VectorView<float> sums = arena.Vector<float>(LimitProbe.Tasks(stream));
        VectorView<float> x = arena.Vector<float>(Elements);
        VectorView<float> y = arena.Vector<float>(Elements);
        Elementwise.Fill(stream, 1, x.AsMatrix(1, Elements));
        Elementwise.Fill(stream, 0, y.AsMatrix(1, Elements));

        const double Bytes = (double)Elements * sizeof(float);
        (double gflops, double single, double tensor, double read, double copy, double write) = (0, 0, 0, 0, 0, 0);
        for (int round = 0; round < Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            gflops = Math.Max(gflops, Rate(stream, () => sums.Length * LimitProbe.MultiplyAdd(stream, Links, sums)));
            single = Math.Max(single, Rate(stream, () => LimitProbe.MultiplyAdd(stream, Links, one)));
            tensor = Math.Max(tensor, Rate(stream, () => sums.Length * LimitProbe.TensorMultiplyAdd(stream, TensorLinks, sums)));
            read = Math.Max(read, Rate(stream, () =>
            {
                LimitProbe.Read(stream, x, sums);
                return Bytes;
            }));
            copy = Math.Max(copy, Rate(stream, () =>
            {
                LimitProbe.Copy(stream, x, y);
                return 2 * Bytes;
            }));
            write = Math.Max(write, Rate(stream, () =>
            {
                Elementwise.Fill(stream, 1, y.AsMatrix(1, Elements));
                return Bytes;
            }));
        }

        return new MachineLimits(gflops, single, read, copy, write, tensor > 0 ? tensor : null);
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

    /// <returns>10⁹ units of work a second.</returns>
    private static double Rate(DeviceStream stream, Func<double> work)
    {
        double amount = 0;
        double seconds = stream.Time(() => amount = work());
        return amount * 1e-9 / seconds;
    }
}
