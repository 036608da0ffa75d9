namespace KFac.Kernels;

/// <summary>How the rows of one example become one row, Σ over its R rows scaled by this.</summary>
public enum SharingScale
{
    /// <summary>1/R.</summary>
    Mean,

    /// <summary>1.</summary>
    Sum,

    /// <summary>1/√R.</summary>
    InverseSquareRoot,
}

/// <summary>Sums the rows of each example, scaled; and the adjoint, which spreads a row over the rows of its example.</summary>
/// <remarks>An example without rows yields a row of zeros, whatever the scale. Inputs and outputs must not overlap.
/// Error per element: at most <c>γ(R+1)·scale·Σ|x|</c>.</remarks>
public static class SegmentReduce
{
    /// <summary><c>y[n] = scale(R)·Σ_r x[n·R + r]</c>.</summary>
    /// <param name="x">[M·R, P].</param>
    /// <param name="sharing">R, at least 1.</param>
    /// <param name="y">[M, P].</param>
    public static void Uniform(DeviceStream stream, MatrixView<float> x, int sharing, SharingScale scale, MatrixView<float> y)
    {
        ISegmentReduceKernel kernel = Check.Kernel(stream, static table => table.SegmentReduce, nameof(SegmentReduce));
        CheckPair(stream, x, y, sharing);
        kernel.Reduce(x, sharing, null, scale, y);
    }

    /// <summary><c>y[n] = scale(R_n)·Σ x[rows of n]</c>.</summary>
    /// <param name="x">[R_M, P].</param>
    /// <param name="y">[M, P].</param>
    public static void Ragged(DeviceStream stream, MatrixView<float> x, SegmentOffsets offsets, SharingScale scale, MatrixView<float> y)
    {
        ISegmentReduceKernel kernel = Check.Kernel(stream, static table => table.SegmentReduce, nameof(SegmentReduce));
        CheckRagged(stream, x, offsets, y);
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        kernel.Reduce(x, 0, offsets, scale, y);
    }

    /// <summary><c>x[n·R + r] = scale(R)·y[n]</c>, the adjoint of <see cref="Uniform"/>.</summary>
    public static void SpreadUniform(DeviceStream stream, MatrixView<float> y, int sharing, SharingScale scale, MatrixView<float> x)
    {
        ISegmentReduceKernel kernel = Check.Kernel(stream, static table => table.SegmentReduce, nameof(SegmentReduce));
        CheckPair(stream, x, y, sharing);
        kernel.Spread(y, sharing, null, scale, x);
    }

    /// <summary><c>x[rows of n] = scale(R_n)·y[n]</c>, the adjoint of <see cref="Ragged"/>.</summary>
    /// <param name="y">[M, P].</param>
    /// <param name="x">[R_M, P].</param>
    public static void SpreadRagged(
        DeviceStream stream, MatrixView<float> y, SegmentOffsets offsets, SharingScale scale, MatrixView<float> x)
    {
        ISegmentReduceKernel kernel = Check.Kernel(stream, static table => table.SegmentReduce, nameof(SegmentReduce));
        CheckRagged(stream, x, offsets, y);
        Check.NoOverlap(x, y, nameof(x), nameof(y));
        kernel.Spread(y, 0, offsets, scale, x);
    }

    private static void CheckRagged(DeviceStream stream, MatrixView<float> x, SegmentOffsets offsets, MatrixView<float> y)
    {
        ArgumentNullException.ThrowIfNull(offsets);
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.View(stream, offsets.View, nameof(offsets));
        Check.Same(x.Rows, offsets.Rows, "rows of x", "rows that the offsets cover");
        Check.Shape(y, offsets.Segments, x.Columns, nameof(y));
    }

    private static void CheckPair(DeviceStream stream, MatrixView<float> x, MatrixView<float> y, int sharing)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sharing);
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.Same(x.Rows, (long)y.Rows * sharing, "rows of x", "rows of y times the sharing dimension");
        Check.Same(x.Columns, y.Columns, "columns of x", "columns of y");
        Check.NoOverlap(y, x, nameof(y), nameof(x));
    }
}

/// <summary>A device's implementation of <see cref="SegmentReduce"/>.</summary>
internal interface ISegmentReduceKernel
{
    /// <summary>Uniform where <paramref name="offsets"/> is null.</summary>
    void Reduce(MatrixView<float> x, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> y);

    /// <summary>Uniform where <paramref name="offsets"/> is null.</summary>
    void Spread(MatrixView<float> y, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> x);
}
