using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Makes a Gram matrix of the autocorrelations of rectangles: element ((i, a), (j, b)) is a sum of some of them at
/// lag b − a in (i, j).</summary>
/// <remarks>A task writes the lower triangle's rows of sixteen channels i, and mirrors them. For each channel and tile it adds the parts of the
/// autocorrelations, then makes the sums of every pair of kernel elements for a row of channels j, which go to every k_h·k_w-th column.</remarks>
internal static unsafe class SpectralBlocks
{
    private const int Lanes = ImageSpectrum.Lanes;

    /// <summary>Rectangles of a pair at the most: three intervals along each axis.</summary>
    private const int MostTerms = 9;

    public static void Run(CpuDevice device, in SpectralPlan plan, float* correlations, float alpha, float beta, float* c, long ldc)
    {
        int elements = plan.Rows.Axis.Kernel * plan.Columns.Axis.Kernel;
        using ScratchLease lease = device.Scratch.Rent((long)elements * elements * (MostTerms + 1) * sizeof(int));
        var job = new Job(device, plan, correlations, lease.As<int>(), alpha, beta, c, ldc);
        job.WriteTerms();
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(job.Bands, body, Unsafe.AsPointer(ref job));
    }

    /// <param name="terms">For each pair of kernel elements how many quantities, and which; the complement where one is subtracted.</param>
    private readonly struct Job(CpuDevice device, SpectralPlan plan, float* correlations, int* terms, float alpha, float beta, float* c, long ldc)
    {
        private readonly SpectralPlan _plan = plan;

        private int KernelWidth => _plan.Columns.Axis.Kernel;

        /// <summary>Tasks: the longest rows are written first.</summary>
        public int Bands => (_plan.Channels + Lanes - 1) / Lanes;

        private int Elements => _plan.Rows.Axis.Kernel * KernelWidth;

        public static void Run<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            job.RunTask<TSimd, TVector>(job.Bands - 1 - task);
        }

        public void WriteTerms()
        {
            Span<int> down = stackalloc int[3];
            Span<int> across = stackalloc int[3];
            for (int pair = 0; pair < Elements * Elements; pair++)
            {
                int a = pair / Elements, b = pair % Elements;
                int downTerms = _plan.Rows.Terms(a / KernelWidth, b / KernelWidth, down);
                int acrossTerms = _plan.Columns.Terms(a % KernelWidth, b % KernelWidth, across);
                int* list = terms + ((MostTerms + 1) * pair);
                list[0] = downTerms * acrossTerms;
                for (int t = 0; t < list[0]; t++)
                {
                    int row = down[t / acrossTerms], column = across[t % acrossTerms];
                    int quantity = Quantity(
                        Math.Max(row, ~row), Math.Max(column, ~column), (b / KernelWidth) - (a / KernelWidth), (b % KernelWidth) - (a % KernelWidth));
                    list[t + 1] = (row ^ column) < 0 ? ~quantity : quantity;
                }
            }
        }

        private int Quantity(int rowPart, int columnPart, int rowLag, int columnLag)
        {
            int columnLags = _plan.Columns[columnPart].Lags;
            return _plan.Quantity(rowPart, columnPart) + ((rowLag + _plan.Rows[rowPart].Lags) * ((2 * columnLags) + 1)) + columnLag + columnLags;
        }

        private void RunTask<TSimd, TVector>(int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int block = task * Lanes / _plan.BlockChannels;
            int first = (task * Lanes) - (block * _plan.BlockChannels);
            int channels = Math.Min(Lanes, _plan.Channels - (task * Lanes));
            using ScratchLease lease = device.Scratch.Rent((long)(_plan.Quantities + Elements) * _plan.BlockChannels * sizeof(float));
            float* sums = lease.As<float>();
            for (int column = 0; column <= block; column++)
            {
                int tile = (block * (block + 1) / 2) + column;
                var shape = new SpectrumTileShape(_plan, tile);
                for (int i = 0; i < channels; i++)
                {
                    int width = shape.Width(first + i);
                    AddParts<TSimd, TVector>(shape, tile, first + i, sums);
                    int used = Math.Min(width, _plan.Channels - (column * _plan.BlockChannels));
                    float* target = c + (((((long)task * Lanes) + i) * Elements * ldc) + ((long)column * _plan.BlockChannels * Elements));
                    WriteRows<TSimd, TVector>(sums, width, used, sums + ((long)_plan.Quantities * width), target);
                }
            }

            GramSum<TSimd, TVector>.Mirror(task * Lanes * Elements, ((task * Lanes) + channels) * Elements, c, ldc);
        }

        /// <summary>A row of every quantity, the parts added.</summary>
        private void AddParts<TSimd, TVector>(SpectrumTileShape shape, int tile, int row, float* sums)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int width = shape.Width(row);
            float* source = correlations + (tile * _plan.Quantities * _plan.TileElements) + shape.Offset(row);
            for (int quantity = 0; quantity < _plan.Quantities; quantity++)
            {
                GramSum<TSimd, TVector>.Row(
                    source + ((long)quantity * shape.Elements), _plan.SplitElements, _plan.Splits, width, alpha, 0, sums + ((long)quantity * width));
            }
        }

        /// <summary>The rows of one channel.</summary>
        private void WriteRows<TSimd, TVector>(float* sums, int width, int used, float* values, float* target)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            for (int a = 0; a < Elements; a++)
            {
                for (int b = 0; b < Elements; b++)
                {
                    Combine<TSimd, TVector>(terms + ((MostTerms + 1) * ((a * Elements) + b)), sums, width, values);
                    float* row = target + (a * ldc) + b;
                    for (int j = 0; j < used; j++)
                    {
                        *row = beta == 0 ? values[j] : values[j] + (beta * *row);
                        row += Elements;
                    }
                }
            }
        }

        private static void Combine<TSimd, TVector>(int* list, float* sums, int width, float* values)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            for (int j = 0; j < width; j += TSimd.Count)
            {
                TVector sum = TSimd.Zero;
                for (int t = 1; t <= list[0]; t++)
                {
                    int quantity = Math.Max(list[t], ~list[t]);
                    TVector term = TSimd.Load(sums + ((long)quantity * width) + j);
                    sum = list[t] < 0 ? TSimd.Subtract(sum, term) : TSimd.Add(sum, term);
                }

                TSimd.Store(sum, values + j);
            }
        }
    }
}
