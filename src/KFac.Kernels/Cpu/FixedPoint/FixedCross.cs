using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><c>C ← XᵀY</c> in 16-bit integers where the product is known to be symmetric: the lower triangle, then mirrored.</summary>
/// <remarks>A task is a panel's rows of C. Tasks are taken from the longest rows to the shortest, so that threads end together.
/// <para><c>XᵀX</c> may leave out what is negligible: blocks of steps of k whose columns' norms say that their products, taken for random, are
/// within an even share of the error that is allowed. Where they are not random the error is larger, up to √128 times by Cauchy and Schwarz and
/// more over blocks: whoever allows an error measures it.</para></remarks>
internal readonly unsafe struct FixedCross
{
    private readonly CpuDevice _device;
    private readonly StridedMatrix _x;
    private readonly FixedPanels _y;
    private readonly float* _c;
    private readonly long _ldc;
    private readonly float _negligible;

    private FixedCross(CpuDevice device, StridedMatrix x, FixedPanels y, float negligible, float* c, long ldc)
    {
        _device = device;
        _x = x;
        _y = y;
        _c = c;
        _ldc = ldc;
        _negligible = negligible;
    }

    /// <summary><c>C ← XᵀY</c>.</summary>
    /// <param name="x">Rows contiguous.</param>
    public static void Multiply(ItemThreads threads, StridedMatrix x, FixedPanels y, float* c, long ldc) => Run(threads, x, y, 0, c, ldc);

    /// <summary><c>C ← XᵀX</c>.</summary>
    /// <param name="error">That leaving out blocks may cause in the Frobenius norm, if they are random.</param>
    public static void Gram(ItemThreads threads, FixedPanels x, double error, float* c, long ldc)
    {
        double blocks = (x.Steps + FixedScale.BlockSteps - 1) / FixedScale.BlockSteps;
        double negligible = FixedScale.BlockSteps * error * error / (blocks * x.Count * x.Count);
        Run(threads, default, x, (float)negligible, c, ldc);
    }

    private static void Run(ItemThreads threads, StridedMatrix x, FixedPanels y, float negligible, float* c, long ldc)
    {
        var job = new FixedCross(threads.Device, x, y, negligible, c, ldc);
        threads.Run(y.Count, &RunPanel, Unsafe.AsPointer(ref job));
    }

    private static void RunPanel(void* context, int task)
    {
        ref readonly FixedCross job = ref Unsafe.AsRef<FixedCross>(context);
        job.RunPanel(job._y.Count - 1 - task);
    }

    private void RunPanel(int panel)
    {
        int start = panel * FixedTile.Columns;
        int width = _y.Width(panel);
        if (_x.Data == 0)
        {
            Multiply(start, width, _y, panel);
        }
        else
        {
            using ScratchLease lease = _device.Scratch.Rent(FixedPanels.Bytes(_y.Steps, width));
            var own = new FixedPanels(_y.Steps, width, lease.As<byte>());
            own.ConvertPanel(0, _x.At(0, start), _x.RowStride);
            Multiply(start, width, own, 0);
        }

        GramSum<Simd512, Vector512<float>>.Mirror(start, start + width, _c, _ldc);
    }

    private void Multiply(int start, int width, FixedPanels x, int panel)
    {
        var block = new FixedBlock
        {
            A = x.Panel(panel),
            Rows = width,
            RowStep = 1,
            PairStep = FixedTile.Columns,
            Units = x.Units(panel),
            Squares = _negligible > 0 ? x.Squares(panel) : null,
            Negligible = _negligible,
        };
        float* c = _c + (start * _ldc);
        for (int i = 0; i < width; i++)
        {
            new Span<float>(c + (i * _ldc), start + width).Clear();
        }

        for (int column = 0; column <= start; column += FixedTile.Columns)
        {
            block.MultiplyAdd(_y, column / FixedTile.Columns, c + column, _ldc);
        }
    }
}
