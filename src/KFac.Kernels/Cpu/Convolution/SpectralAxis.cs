namespace KFac.Kernels.Cpu;

/// <summary>An interval of an axis whose autocorrelation is taken by a transform, and the transform's tables.</summary>
/// <remarks>A circular transform of at least as many points as the interval has, and its largest lag more, gives the
/// autocorrelation with zeros around the interval.</remarks>
internal unsafe struct AxisPart
{
    /// <summary>The interval's pixels, the end excluded.</summary>
    public int Start, End;

    /// <summary>Points of the transform.</summary>
    public TransformLength Length;

    /// <summary>The largest lag, in kernel elements, of two pixels of the interval.</summary>
    public int Lags;

    /// <summary>For each of the transforms over the second factor, the offsets of its points' pixels; that behind the last pixel is a zero.</summary>
    public int* Gather;

    /// <summary>Where those transforms leave their frequencies, and where those over the first factor find them.</summary>
    public int* Between, Across;

    /// <summary>The frequencies that these end with.</summary>
    public int* Scatter;

    /// <summary>Rows of 1, cos ωf, sin ωf, cos 2ωf, …, up to the lags, by frequency; ω is that of one kernel element.</summary>
    public float* Waves;

    /// <summary>The same over frequencies up to n/2, with factor 2 where a frequency stands for its conjugate, too.</summary>
    public float* HalfWaves;

    public readonly int Points => Length.Points;

    /// <summary>Frequencies 0 to n/2: those of real numbers.</summary>
    public readonly int HalfPoints => (Points / 2) + 1;

    /// <summary>Whether a frequency is its own conjugate.</summary>
    public readonly bool IsReal(int frequency) => frequency == 0 || 2 * frequency == Points;
}

/// <summary>An axis of a convolution with stride 1, as sums and differences of autocorrelations.</summary>
/// <remarks>
/// Let z be zero outside of the image, and element a meet pixel <c>o + g(a)</c> at output o, <c>g(a) = a·dilation − padding</c>.
/// Were there outputs without end, the sum over o of z(o + g(a))·z(o + g(b)) would be the autocorrelation at lag g(b) − g(a).
/// Outputs before 0 are too many: at o = −t both pixels are below max(g(a), g(b)), and all pairs of that lag inside of the interval
/// from 0 to there are met so. So what is too much is the autocorrelation of that interval, where g(a) and g(b) are above 0; and
/// likewise at the other end. Over two axes the sums multiply: a block of the Gram matrix is a sum of autocorrelations of
/// rectangles, at its one lag: the image, less strips, plus corners.
/// </remarks>
internal readonly unsafe struct SpectralAxis
{
    /// <summary>Elements of a complex number's vectors, real and imaginary.</summary>
    private const int Elements = 2 * ImageSpectrum.Lanes;

    private readonly ConvolutionAxis _axis;
    private readonly AxisPart* _parts;

    /// <param name="memory"><see cref="Bytes"/> bytes.</param>
    public SpectralAxis(ConvolutionAxis axis, byte* memory)
    {
        _axis = axis;
        _parts = (AxisPart*)memory;
        byte* tables = memory + (MostParts(axis) * sizeof(AxisPart));
        Span<StepRange> intervals = stackalloc StepRange[MostParts(axis)];
        Count = Intervals(axis, intervals);
        for (int part = 0; part < Count; part++)
        {
            _parts[part] = Part(axis, intervals[part], ref tables);
        }
    }

    public ConvolutionAxis Axis => _axis;

    /// <summary>Parts; the first is the whole axis.</summary>
    public int Count { get; }

    public ref AxisPart this[int part] => ref _parts[part];

    public static long Bytes(ConvolutionAxis axis)
    {
        // An even number, so that what follows lies as pointers must.
        long waves = 2L * axis.Kernel * ((TransformLength.Longest * 3 / 2) + 2);
        return (long)MostParts(axis) * (sizeof(AxisPart) + (((4L * TransformLength.Longest) + waves) * sizeof(float)));
    }

    /// <summary>Whether there is a transform that is long enough, and the kernel is no larger than it.</summary>
    public static bool Fits(ConvolutionAxis axis) =>
        axis.Stride == 1 && axis.Kernel <= TransformLength.Longest && LengthFor(axis, axis.Size).Points > 0;

    /// <summary>Intervals at the most.</summary>
    public static int MostParts(ConvolutionAxis axis) => 1 + (2 * axis.Kernel);

    /// <summary>The intervals whose autocorrelations are needed: the whole axis, and what outputs before the first and behind the last would meet.</summary>
    /// <param name="intervals"><see cref="MostParts"/> of them.</param>
    /// <returns>How many there are.</returns>
    public static int Intervals(ConvolutionAxis axis, Span<StepRange> intervals)
    {
        intervals[0] = new StepRange(0, axis.Size);
        int count = 1;
        for (int a = 0; a < axis.Kernel; a++)
        {
            count = Include(new StepRange(0, Before(axis, a)), intervals, count);
            count = Include(new StepRange(axis.Size - Behind(axis, a), axis.Size), intervals, count);
        }

        return count;
    }

    /// <summary>Points of the transform of an interval.</summary>
    public static TransformLength LengthFor(ConvolutionAxis axis, int size) =>
        TransformLength.AtLeast(size + (LagsOf(axis, size) * axis.Dilation));

    /// <summary>The autocorrelations that make a pair of elements: a part, and the complement of its index where it is subtracted.</summary>
    /// <returns>How many there are, up to 3; none where the pair never meets two pixels.</returns>
    public int Terms(int a, int b, Span<int> terms)
    {
        if (Math.Abs(b - a) > _parts[0].Lags)
        {
            return 0;
        }

        int count = 1;
        terms[0] = 0;
        if (Math.Min(Before(_axis, a), Before(_axis, b)) > 0)
        {
            terms[count++] = ~IndexOf(0, Math.Max(Before(_axis, a), Before(_axis, b)));
        }

        if (Math.Min(Behind(_axis, a), Behind(_axis, b)) > 0)
        {
            terms[count++] = ~IndexOf(_axis.Size - Math.Max(Behind(_axis, a), Behind(_axis, b)), _axis.Size);
        }

        return count;
    }

    /// <summary>The largest lag, in kernel elements, of two pixels of an interval.</summary>
    public static int LagsOf(ConvolutionAxis axis, int size) => Math.Min(axis.Kernel - 1, (size - 1) / axis.Dilation);

    /// <summary>Pixels that an element meets at outputs before the first.</summary>
    private static int Before(ConvolutionAxis axis, int a) => Math.Clamp((a * axis.Dilation) - axis.Padding, 0, axis.Size);

    /// <summary>Pixels that an element meets at outputs behind the last.</summary>
    private static int Behind(ConvolutionAxis axis, int a) => Math.Clamp(axis.Size - axis.Outputs - (a * axis.Dilation) + axis.Padding, 0, axis.Size);

    private static int Include(StepRange interval, Span<StepRange> intervals, int count)
    {
        if (interval.Count == 0 || intervals[..count].Contains(interval))
        {
            return count;
        }

        intervals[count] = interval;
        return count + 1;
    }

    private int IndexOf(int start, int end)
    {
        for (int part = 0; part < Count; part++)
        {
            if (_parts[part].Start == start && _parts[part].End == end)
            {
                return part;
            }
        }

        return -1;
    }

    private static AxisPart Part(ConvolutionAxis axis, StepRange interval, ref byte* memory)
    {
        TransformLength length = LengthFor(axis, interval.Count);
        int* tables = (int*)memory;
        var part = new AxisPart
        {
            Start = interval.Start,
            End = interval.End,
            Length = length,
            Lags = LagsOf(axis, interval.Count),
            Gather = tables,
            Between = tables + length.Points,
            Across = tables + (2 * length.Points),
            Scatter = tables + (3 * length.Points),
            Waves = (float*)(tables + (4 * length.Points)),
        };
        part.HalfWaves = part.Waves + (((2 * part.Lags) + 1) * part.Points);
        memory = (byte*)(part.HalfWaves + (((2 * part.Lags) + 1) * part.HalfPoints));
        WriteTables(part, axis.Size);
        WriteWaves(part, axis.Dilation);
        return part;
    }

    private static void WriteTables(AxisPart part, int zero)
    {
        (int first, int second) = part.Length;
        for (int a = 0; a < first; a++)
        {
            for (int b = 0; b < second; b++)
            {
                int pixel = part.Start + part.Length.Point(a, b);
                part.Gather[(a * second) + b] = Elements * (pixel < part.End ? pixel : zero);
                part.Between[(a * second) + b] = Elements * ((a * second) + b);
                part.Across[(b * first) + a] = Elements * ((a * second) + b);
                part.Scatter[(b * first) + a] = part.Length.Frequency(a, b);
            }
        }
    }

    private static void WriteWaves(AxisPart part, int dilation)
    {
        for (int row = 0; row <= 2 * part.Lags; row++)
        {
            for (int f = 0; f < part.Points; f++)
            {
                double angle = 2 * Math.PI * ((long)f * ((row + 1) / 2) * dilation % part.Points) / part.Points;
                double wave = row % 2 == 0 && row > 0 ? Math.Sin(angle) : Math.Cos(angle);
                part.Waves[(row * part.Points) + f] = (float)wave;
                if (f < part.HalfPoints)
                {
                    part.HalfWaves[(row * part.HalfPoints) + f] = (float)(part.IsReal(f) ? wave : 2 * wave);
                }
            }
        }
    }
}
