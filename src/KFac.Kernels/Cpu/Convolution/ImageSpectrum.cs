using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>The spectra of one image in sixteen of its channels.</summary>
/// <remarks>
/// Everything is done to vectors of channels. Two rows of pixels are the real and the imaginary part of one complex transform,
/// whose sum and difference with its reflection are twice the transforms of both; the factor 2 stays. Then columns are transformed,
/// one column frequency after the other, straight into the spectra's memory. A transform is that of its two coprime factors one
/// after the other, with tables for what lies where.
/// </remarks>
internal static unsafe class ImageSpectrum
{
    /// <summary>Channels that are transformed together.</summary>
    public const int Lanes = 16;

    /// <summary>Elements of a complex number's vectors.</summary>
    public const int Elements = 2 * Lanes;

    /// <summary>Memory of one call.</summary>
    public static long ScratchBytes(in SpectralPlan plan)
    {
        long spectra = 0;
        for (int k = 0; k < plan.Columns.Count; k++)
        {
            spectra += plan.Columns[k].HalfPoints * ColumnPitch(plan);
        }

        long line = plan.Columns.Axis.Size + 1L;
        return (spectra + ((line + (2 * TransformLength.Longest)) * Elements)) * sizeof(float);
    }

    /// <summary>Transforms an image.</summary>
    /// <param name="pixels">The first channel of the first pixel.</param>
    /// <param name="channels">Channels that there are, 1 to 16; the others are taken as zeros.</param>
    /// <param name="scratch"><see cref="ScratchBytes"/> bytes.</param>
    /// <param name="target">The first spectrum.</param>
    /// <param name="pitch">Elements from a spectrum to the next.</param>
    public static void Run<TSimd, TVector>(
        in SpectralPlan plan, float* pixels, long pixelStride, int channels, float* scratch, float* target, long pitch)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int height = plan.Rows.Axis.Size, width = plan.Columns.Axis.Size;
        float* line = scratch;
        float* between = line + ((width + 1L) * Elements);
        float* after = between + ((long)TransformLength.Longest * Elements);
        float* columns = after + ((long)TransformLength.Longest * Elements);
        new Span<float>(line + ((long)width * Elements), Elements).Clear();
        for (int y = 0; y < height; y += 2)
        {
            int rows = Math.Min(2, height - y);
            LoadRows<TSimd, TVector>(pixels + (y * width * pixelStride), pixelStride, rows, width, channels, line);
            float* part = columns;
            for (int k = 0; k < plan.Columns.Count; k++)
            {
                ref AxisPart axis = ref plan.Columns[k];
                Transform<TSimd, TVector>(axis, line, between, after, Elements, Lanes);
                Separate<TSimd, TVector>(axis, after, rows, part + ((long)y * Elements), ColumnPitch(plan));
                part += axis.HalfPoints * ColumnPitch(plan);
            }
        }

        for (int g = 0; g < plan.Groups; g++)
        {
            new Span<float>(columns + ((long)height * Elements), Elements).Clear();
            TransformColumn<TSimd, TVector>(plan, plan.Group(g), columns, between, after, target, pitch);
            columns += ColumnPitch(plan);
        }
    }

    /// <summary>Elements from a column frequency to the next: a complex number for each row and a zero, an odd number of cache lines.</summary>
    private static long ColumnPitch(in SpectralPlan plan) => ((plan.Rows.Axis.Size + 1L) * Elements) + Lanes;

    private static void TransformColumn<TSimd, TVector>(
        in SpectralPlan plan, SpectrumGroup group, float* column, float* between, float* after, float* target, long pitch)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* spectrum = target + (group.First * pitch);
        for (int j = 0; j < plan.Rows.Count; j++)
        {
            ref AxisPart axis = ref plan.Rows[j];
            if (group.IsReal)
            {
                Transform<TSimd, TVector>(axis, column, between, after, Elements, Lanes);
                for (int f = 0; f < axis.HalfPoints; f++)
                {
                    float* source = after + ((long)f * Elements);
                    new Span<float>(source, Lanes).CopyTo(new Span<float>(spectrum + (f * pitch), Lanes));
                    new Span<float>(source + Lanes, Lanes).CopyTo(new Span<float>(spectrum + (f * pitch) + plan.BlockChannels, Lanes));
                }
            }
            else
            {
                Transform<TSimd, TVector>(axis, column, between, spectrum, pitch, plan.BlockChannels);
            }

            spectrum += group.Count(axis) * pitch;
        }
    }

    private static void Transform<TSimd, TVector>(in AxisPart axis, float* source, float* between, float* target, long stride, long imaginary)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        if (axis.Points == 1)
        {
            float* point = source + axis.Gather[0];
            new Span<float>(point, Lanes).CopyTo(new Span<float>(target, Lanes));
            new Span<float>(point + Lanes, Lanes).CopyTo(new Span<float>(target + imaginary, Lanes));
            return;
        }

        (int first, int second) = axis.Length;
        SmallDft.Run<TSimd, TVector>(second, new DftLines(source, axis.Gather, between, axis.Between, 1, Lanes, first));
        SmallDft.Run<TSimd, TVector>(first, new DftLines(between, axis.Across, target, axis.Scatter, stride, imaginary, second));
    }

    private static void LoadRows<TSimd, TVector>(float* pixels, long pixelStride, int rows, int width, int channels, float* line)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        for (int lane = 0; lane < Lanes; lane += TSimd.Count)
        {
            int left = Math.Clamp(channels - lane, 0, TSimd.Count);
            float* even = pixels + lane;
            float* odd = even + (width * pixelStride);
            float* target = line + lane;

            // The channels of a pixel are a line of many: nothing but this fetches the next rows' while these are transformed.
            long ahead = 2L * width * pixelStride;
            for (int x = 0; x < width; x++)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch0(even + ahead);
                    Sse.Prefetch0(odd + ahead);
                }

                TSimd.Store(SimdPart<TSimd, TVector>.Load(even, left), target);
                TSimd.Store(rows > 1 ? SimdPart<TSimd, TVector>.Load(odd, left) : TSimd.Zero, target + Lanes);
                even += pixelStride;
                odd += pixelStride;
                target += Elements;
            }
        }
    }

    /// <summary>Twice the transforms of the two rows that were transformed as one.</summary>
    private static void Separate<TSimd, TVector>(in AxisPart axis, float* both, int rows, float* target, long pitch)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        for (int f = 0; f < axis.HalfPoints; f++)
        {
            float* left = both + ((long)f * Elements);
            float* right = both + ((long)(f == 0 ? 0 : axis.Points - f) * Elements);
            for (int lane = 0; lane < Lanes; lane += TSimd.Count)
            {
                Wave<TSimd, TVector> here = Wave<TSimd, TVector>.Load(left + lane, Lanes), there = Wave<TSimd, TVector>.Load(right + lane, Lanes);
                new Wave<TSimd, TVector>(TSimd.Add(here.Re, there.Re), TSimd.Subtract(here.Im, there.Im)).Store(target + lane, Lanes);
                if (rows > 1)
                {
                    new Wave<TSimd, TVector>(TSimd.Add(here.Im, there.Im), TSimd.Subtract(there.Re, here.Re)).Store(target + Elements + lane, Lanes);
                }
            }

            target += pitch;
        }
    }
}
