namespace KFac.Kernels;

/// <summary>Measures a device's limits again and again with the same 512 MiB of memory: machines that others use, too, change from
/// minute to minute, and a share of a limit means something only where both were measured at once.</summary>
public sealed class LimitMeter : IDisposable
{
    private const int UsualRounds = 15;
    private const int Links = 1_000_000;
    private const int TensorLinks = 100_000;
    private const int Elements = 64 * 1024 * 1024;

    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly VectorView<float> _one;
    private readonly VectorView<float> _sums;
    private readonly VectorView<float> _x;
    private readonly VectorView<float> _y;

    /// <summary>Takes the memory.</summary>
    public LimitMeter(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        _stream = device.DefaultStream;
        _arena = new Arena(device);
        _one = _arena.Vector<float>(1);
        _sums = _arena.Vector<float>(LimitProbe.Tasks(_stream));
        _x = _arena.Vector<float>(Elements);
        _y = _arena.Vector<float>(Elements);
        Elementwise.Fill(_stream, 1, _x.AsMatrix(1, Elements));
        Elementwise.Fill(_stream, 0, _y.AsMatrix(1, Elements));
    }

    /// <summary>The best of each kind in the rounds since <see cref="Restart"/>: what disturbs a round only ever slows it. Zeros before
    /// the first.</summary>
    public MachineLimits Best { get; private set; } = new(0, 0, 0, 0, 0);

    /// <summary>Measures for a second or two from the start.</summary>
    /// <exception cref="OperationCanceledException">As requested.</exception>
    public MachineLimits Measure(CancellationToken cancellation = default)
    {
        Restart();
        for (int round = 0; round < UsualRounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            Round();
        }

        return Best;
    }

    /// <summary>Forgets the rounds so far.</summary>
    public void Restart() => Best = new MachineLimits(0, 0, 0, 0, 0);

    /// <summary>Measures each kind once, some tens of milliseconds in all.</summary>
    public void Round()
    {
        const double Bytes = (double)Elements * sizeof(float);
        double gflops = Rate(() => _sums.Length * LimitProbe.MultiplyAdd(_stream, Links, _sums));
        double single = Rate(() => LimitProbe.MultiplyAdd(_stream, Links, _one));
        double tensor = Rate(() => _sums.Length * LimitProbe.TensorMultiplyAdd(_stream, TensorLinks, _sums));
        double read = Rate(() =>
        {
            LimitProbe.Read(_stream, _x, _sums);
            return Bytes;
        });
        double copy = Rate(() =>
        {
            LimitProbe.Copy(_stream, _x, _y);
            return 2 * Bytes;
        });
        double write = Rate(() =>
        {
            Elementwise.Fill(_stream, 1, _y.AsMatrix(1, Elements));
            return Bytes;
        });
        Best = new MachineLimits(
            Math.Max(gflops, Best.Gflops),
            Math.Max(single, Best.SingleThreadGflops),
            Math.Max(read, Best.ReadGBps),
            Math.Max(copy, Best.CopyGBps),
            Math.Max(write, Best.WriteGBps),
            tensor > 0 ? Math.Max(tensor, Best.TensorGflops ?? 0) : null);
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose() => _arena.Dispose();

    /// <returns>10⁹ units of work a second.</returns>
    private double Rate(Func<double> work)
    {
        double amount = 0;
        double seconds = _stream.Time(() => amount = work());
        return amount * 1e-9 / seconds;
    }
}
