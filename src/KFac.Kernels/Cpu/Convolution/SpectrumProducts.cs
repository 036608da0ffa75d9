using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>From spectra of images to autocorrelations at the lags of a kernel: cross-spectra of channels, and their inverse
/// transform where it is wanted.</summary>
/// <remarks>
/// A task takes a pair of blocks of channels and some groups of spectra. It multiplies a few spectra at a time over the images,
/// which gives cross-spectra A + iB that stay in the second-level cache, and adds these up over a group with the cosines and sines
/// of each lag of rows, <c>Σ A cos, Σ A sin, Σ B cos, Σ B sin</c>. When the group is complete, they are added to the
/// autocorrelations with the cosines and sines of the lags of columns: <c>R(l) = 1/n Σ_f (A cos ω·f·l + B sin ω·f·l)</c>. So the
/// cross-spectra are never stored as a whole. The lower triangle is computed for every lag, <c>R(l)(j, i) = R(−l)(i, j)</c>.
/// </remarks>
internal static unsafe class SpectrumProducts
{
    /// <summary>Bytes of cross-spectra that are made before they are added up.</summary>
    private const int BatchBytes = 256 << 10;

    /// <summary>Adds the autocorrelations of some images.</summary>
    /// <param name="accumulate">Whether to add to what they hold.</param>
    /// <param name="correlations"><see cref="SpectralPlan.Splits"/> times <see cref="SpectralPlan.SplitElements"/> elements.</param>
    public static void Run(CpuDevice device, in SpectralPlan plan, float* spectra, int images, bool accumulate, float* correlations)
    {
        var job = new Job(device, plan, spectra, images, accumulate, correlations);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(plan.Splits * plan.Tiles, body, Unsafe.AsPointer(ref job));
    }

    private readonly struct Job(CpuDevice device, SpectralPlan plan, float* spectra, int images, bool accumulate, float* correlations)
    {
        private readonly SpectralPlan _plan = plan;

        public static void Run<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            job.RunTask<TSimd, TVector>(task);
        }

        private void RunTask<TSimd, TVector>(int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int splits = _plan.Splits;
            int split = task % splits;

            // The last tiles first: symmetric ones, which are smaller, are spread over the rows of tiles.
            int tile = _plan.Tiles - 1 - (task / splits);
            var shape = new SpectrumTileShape(_plan, tile);
            float* target = correlations + (split * _plan.SplitElements) + (tile * _plan.Quantities * _plan.TileElements);
            if (!accumulate)
            {
                new Span<float>(target, checked((int)((long)_plan.Quantities * shape.Elements))).Clear();
            }

            int batch = Math.Clamp(BatchBytes / (2 * shape.Elements * sizeof(float)), 1, TransformLength.Longest);
            long sums = (2L * _plan.Rows[0].Lags) + 1;
            using ScratchLease lease = device.Scratch.Rent(2 * (sums + batch) * shape.Elements * sizeof(float));
            var work = new TileWork<TSimd, TVector>(_plan, shape, spectra, images, lease.As<float>(), sums, batch, target);
            for (int group = Start(split); group < Start(split + 1); group++)
            {
                work.Add(_plan.Group(group));
            }
        }

        /// <summary>The first group of a part: about as many spectra in each.</summary>
        private int Start(int split)
        {
            long spectrum = (long)_plan.Spectra * split / _plan.Splits;
            int group = 0;
            while (group < _plan.Groups && _plan.Group(group).First < spectrum)
            {
                group++;
            }

            return group;
        }
    }

    /// <summary>A pair of blocks of channels.</summary>
    private readonly ref struct TileWork<TSimd, TVector>(
        in SpectralPlan plan, SpectrumTileShape shape, float* spectra, int images, float* scratch, long sums, int batch, float* correlations)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        private readonly ref readonly SpectralPlan _plan = ref plan;
        private readonly int _elements = shape.Elements;

        /// <summary>Sums of A, then of B, over a group.</summary>
        private readonly float* _sums = scratch;

        /// <summary>A, then B, of a few spectra.</summary>
        private readonly float* _cross = scratch + (2 * sums * shape.Elements);

        /// <summary>Adds a group's spectra.</summary>
        public void Add(SpectrumGroup group)
        {
            int first = group.First;
            for (int part = 0; part < _plan.Rows.Count; part++)
            {
                ref AxisPart rows = ref _plan.Rows[part];
                int count = group.Count(rows);
                for (int start = 0; start < count; start += batch)
                {
                    int some = Math.Min(batch, count - start);
                    for (int f = 0; f < some; f++)
                    {
                        Cross(first + start + f, f);
                    }

                    SumRows(rows, group.Waves(rows) + start, count, some, start > 0 ? 1 : 0);
                }

                AddLags(group, part);
                first += count;
            }
        }

        /// <summary>The cross-spectrum A + iB of the two blocks.</summary>
        private void Cross(int spectrum, int index)
        {
            int block = _plan.BlockChannels;
            float* source = spectra + (spectrum * _plan.SpectrumElements(images));
            float* x = source + ((long)shape.RowBlock * images * 2 * block);
            float* y = source + ((long)shape.ColumnBlock * images * 2 * block);
            float* real = _cross + ((long)index * _elements);
            float* imag = real + ((long)batch * _elements);
            int step = SpectrumTile<TSimd, TVector>.MostVectors * TSimd.Count;
            for (int column = 0; column < shape.Columns; column += step)
            {
                for (int row = 0; row < shape.Rows; row += SpectrumTile<TSimd, TVector>.Rows)
                {
                    int width = Math.Min(step, shape.Width(row) - column);
                    if (width > 0)
                    {
                        int offset = shape.Offset(row) + column;
                        SpectrumTile<TSimd, TVector>.Multiply(
                            width / TSimd.Count, images, x + row, y + column, block, real + offset, imag + offset, shape.Width(row));
                    }
                }
            }
        }

        /// <summary>Sums over frequencies along the rows, times cosine and sine of each lag.</summary>
        private void SumRows(in AxisPart rows, float* waves, int stride, int count, float beta)
        {
            long* offsets = stackalloc long[2];
            offsets[0] = offsets[1] = 0;
            var lines = new TileLines((nint)offsets, 1, count, 1, _elements);
            int outputs = (2 * rows.Lags) + 1;
            Multiply(outputs, lines, waves, stride, _cross, beta, _sums);
            Multiply(outputs, lines, waves, stride, _cross + ((long)batch * _elements), beta, _sums + (sums * _elements));
        }

        /// <summary>Adds a group's sums to the autocorrelations of a rectangle.</summary>
        private void AddLags(SpectrumGroup group, int part)
        {
            ref AxisPart rows = ref _plan.Rows[part];
            ref AxisPart columns = ref _plan.Columns[group.Part];
            int lags = (2 * columns.Lags) + 1;
            float* target = correlations + ((long)_plan.Quantity(part, group.Part) * _elements);

            // Transforms are twice too large, and a frequency stands for its conjugate, too.
            float scale = (group.IsReal ? 0.25f : 0.5f) / ((float)rows.Points * columns.Points);
            float* waves = stackalloc float[4 * lags];
            long* offsets = stackalloc long[4];
            for (int lag = -rows.Lags; lag <= rows.Lags; lag++)
            {
                int run = lag == 0 ? 1 : 2;
                float sign = lag < 0 ? -scale : scale;
                for (int l = -columns.Lags; l <= columns.Lags; l++)
                {
                    int row = 2 * Math.Abs(l);
                    float cosine = columns.Waves[(Math.Max(0, row - 1) * columns.Points) + group.Frequency];
                    float sine = l == 0 ? 0 : Math.Sign(l) * columns.Waves[(row * columns.Points) + group.Frequency];
                    float* wave = waves + (4 * (l + columns.Lags));
                    wave[0] = scale * cosine;
                    wave[1] = run == 1 ? scale * sine : -sign * sine;
                    wave[2] = scale * sine;
                    wave[3] = sign * cosine;
                }

                offsets[0] = 0;
                offsets[1] = 0;
                offsets[2] = run;
                offsets[3] = sums * _elements;
                var lines = new TileLines((nint)offsets, 2, run, 1, _elements);
                float* source = _sums + ((long)Math.Max(0, (2 * Math.Abs(lag)) - 1) * _elements);
                Multiply(lags, lines, waves, 4, source, 1, target + ((long)(lag + rows.Lags) * lags * _elements));
            }
        }

        /// <summary>Rows of all elements, each a sum of such rows.</summary>
        private void Multiply(int outputs, in TileLines lines, float* waves, long stride, float* source, float beta, float* target)
        {
            const int Vectors = 3;
            for (int element = 0; element < _elements; element += Vectors * TSimd.Count)
            {
                int vectors = Math.Min(Vectors, (_elements - element) / TSimd.Count);
                for (int output = 0; output < outputs; output += PixelTile<TSimd, TVector>.MostRows)
                {
                    int rows = Math.Min(PixelTile<TSimd, TVector>.MostRows, outputs - output);
                    float* sums = target + ((long)output * _elements) + element;
                    PixelTile<TSimd, TVector>.Multiply(
                        rows, vectors, lines, waves + (output * stride), stride, source + element, beta, sums, _elements);
                }
            }
        }
    }
}
