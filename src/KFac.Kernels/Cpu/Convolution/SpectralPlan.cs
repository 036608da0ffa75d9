namespace KFac.Kernels.Cpu;

/// <summary>What is transformed and multiplied: the parts of both axes, the spectra of their rectangles, blocks of channels.</summary>
/// <remarks>
/// The images are real, so half of the frequencies along the columns will do, and where such a frequency is its own conjugate, half
/// of those along the rows. Spectra are sorted by column frequency; those of one make a group: for each part of the rows the
/// frequencies along them. In memory they lie <c>[spectrum][block of channels][image][re, im][channel of the block]</c>, so that a
/// product of two blocks reads both in order.
/// </remarks>
internal readonly unsafe struct SpectralPlan
{
    /// <summary>Channels of a block.</summary>
    private const int MostBlockChannels = 32;

    /// <summary>Elements behind a spectrum: without them spectra would be whole turns through the sets of a cache apart.</summary>
    private const int Gap = 3 * ImageSpectrum.Lanes;

    /// <summary>Tasks that are enough for many threads; groups of spectra are divided where there are few tiles.</summary>
    private const int Tasks = 16;

    private readonly SpectrumGroup* _groups;
    private readonly int* _quantities;

    /// <param name="memory"><see cref="Bytes"/> bytes.</param>
    public SpectralPlan(ConvolutionGroup group, byte* memory)
    {
        Rows = new SpectralAxis(group.Rows, memory);
        memory += SpectralAxis.Bytes(group.Rows);
        Columns = group.Columns == group.Rows ? Rows : new SpectralAxis(group.Columns, memory);
        memory += SpectralAxis.Bytes(group.Columns);
        Channels = group.Channels;
        (BlockChannels, Blocks) = BlocksOf(Channels);
        MostElements = MostElementsOf(group);
        _quantities = (int*)memory;
        _groups = (SpectrumGroup*)(memory + (((Rows.Count * Columns.Count) + 1) * sizeof(int)));
        for (int j = 0; j < Rows.Count; j++)
        {
            for (int k = 0; k < Columns.Count; k++)
            {
                _quantities[(j * Columns.Count) + k] = Quantities;
                Quantities += ((2 * Rows[j].Lags) + 1) * ((2 * Columns[k].Lags) + 1);
            }
        }

        for (int k = 0; k < Columns.Count; k++)
        {
            for (int f = 0; f < Columns[k].HalfPoints; f++)
            {
                var next = new SpectrumGroup(k, f, Columns[k].IsReal(f), Spectra);
                _groups[Groups++] = next;
                for (int j = 0; j < Rows.Count; j++)
                {
                    Spectra += next.Count(Rows[j]);
                }
            }
        }
    }

    public SpectralAxis Rows { get; }

    public SpectralAxis Columns { get; }

    public int Channels { get; }

    /// <summary>Channels of a block, whole vectors of <see cref="ImageSpectrum.Lanes"/>; the last block may have fewer.</summary>
    public int BlockChannels { get; }

    public int Blocks { get; }

    /// <summary>Pairs of blocks, the second not behind the first.</summary>
    public int Tiles => Blocks * (Blocks + 1) / 2;

    /// <summary>Spectra of one image and channel: complex numbers.</summary>
    public int Spectra { get; }

    public int Groups { get; }

    /// <summary>Elements of a buffer at the most: as many as images and result have together.</summary>
    public long MostElements { get; }

    /// <summary>Parts into which the groups are divided; their autocorrelations are added when all is done.</summary>
    public int Splits => (int)Math.Clamp(Math.Min(Tasks / Tiles, MostElements / SplitElements), 1, Groups);

    /// <summary>Elements of a part's autocorrelations: for each tile those of all quantities, one after the other.</summary>
    public long SplitElements => Tiles * Quantities * TileElements;

    /// <summary>Autocorrelations at one lag.</summary>
    public int Quantities { get; }

    public static long Bytes(ConvolutionGroup group)
    {
        long rowParts = 1 + (2L * group.Rows.Kernel), columnParts = 1 + (2L * group.Columns.Kernel);
        long tables = SpectralAxis.Bytes(group.Rows) + SpectralAxis.Bytes(group.Columns);
        return tables + (((rowParts * columnParts) + 1) * sizeof(int)) + (columnParts * ((TransformLength.Longest / 2) + 1) * sizeof(SpectrumGroup));
    }

    /// <summary>Spectra of one image and channel, without tables: what decides whether a plan is worth making.</summary>
    public static int CountSpectra(ConvolutionGroup group)
    {
        Span<StepRange> rows = stackalloc StepRange[SpectralAxis.MostParts(group.Rows)];
        Span<StepRange> columns = stackalloc StepRange[SpectralAxis.MostParts(group.Columns)];
        int rowParts = SpectralAxis.Intervals(group.Rows, rows), columnParts = SpectralAxis.Intervals(group.Columns, columns);
        int spectra = 0;
        foreach (StepRange column in columns[..columnParts])
        {
            int points = SpectralAxis.LengthFor(group.Columns, column.Count).Points;
            int half = (points / 2) + 1;
            int real = points % 2 == 0 ? 2 : 1;
            foreach (StepRange row in rows[..rowParts])
            {
                int down = SpectralAxis.LengthFor(group.Rows, row.Count).Points;
                spectra += (real * ((down / 2) + 1)) + ((half - real) * down);
            }
        }

        return spectra;
    }

    /// <summary>Elements of a buffer at the most: as many as images and result have together.</summary>
    public static long MostElementsOf(ConvolutionGroup group) =>
        ((long)group.Images * group.Pixels * group.Channels) + ((long)group.Width * group.Width);

    /// <summary>Elements of a spectrum of some images of a group.</summary>
    public static long SpectrumElements(ConvolutionGroup group, int images)
    {
        (int channels, int blocks) = BlocksOf(group.Channels);
        return SpectrumElements(blocks, channels, images);
    }

    public SpectrumGroup Group(int group) => _groups[group];

    /// <summary>The first autocorrelation of a rectangle; lags of rows before those of columns, both ascending.</summary>
    public int Quantity(int rowPart, int columnPart) => _quantities[(rowPart * Columns.Count) + columnPart];

    /// <summary>Channels of a block in whole vectors.</summary>
    public int ChannelsOf(int block) =>
        Math.Min(BlockChannels, ((Channels + ImageSpectrum.Lanes - 1) / ImageSpectrum.Lanes * ImageSpectrum.Lanes) - (block * BlockChannels));

    /// <summary>Elements of a spectrum of some images.</summary>
    public long SpectrumElements(int images) => SpectrumElements(Blocks, BlockChannels, images);

    /// <summary>Elements of an autocorrelation of a pair of blocks.</summary>
    public long TileElements => (long)BlockChannels * BlockChannels;

    private static long SpectrumElements(int blocks, int channels, int images) => (2L * blocks * images * channels) + Gap;

    private static (int Channels, int Blocks) BlocksOf(int channels)
    {
        int whole = (channels + ImageSpectrum.Lanes - 1) / ImageSpectrum.Lanes * ImageSpectrum.Lanes;
        int block = Math.Min(whole, MostBlockChannels);
        return (block, (whole + block - 1) / block);
    }
}

/// <summary>The spectra at one frequency along the columns of a part.</summary>
/// <param name="Part">Part of the columns.</param>
/// <param name="IsReal">Whether the frequency is its own conjugate.</param>
/// <param name="First">The first of its spectra.</param>
internal readonly record struct SpectrumGroup(int Part, int Frequency, bool IsReal, int First)
{
    /// <summary>Its frequencies along a part of the rows.</summary>
    public int Count(in AxisPart rows) => IsReal ? rows.HalfPoints : rows.Points;

    /// <summary>Waves of these frequencies, rows <see cref="Count"/> apart.</summary>
    public unsafe float* Waves(in AxisPart rows) => IsReal ? rows.HalfWaves : rows.Waves;
}
