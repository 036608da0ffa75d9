using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Some channels of a pooling window: one vector of them, or four.</summary>
/// <remarks>Four vectors share what a pixel of the window costs besides, the bounds of two loops above all, and give the processor four maxima
/// at a time that do not wait for each other: one vector after another took three times as long, where memory is the limit of
/// four (64 MiB of 2×2 windows, Zen 5).</remarks>
internal static unsafe class PoolingRow<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Maxima and their places over a window.</summary>
    /// <param name="pixels">The channels in the window's first pixel.</param>
    /// <param name="left">Channels there are; those of a vector are gone through at most.</param>
    public static void Maxima(ref PoolingContext c, in PoolingWindow window, float* pixels, float* y, float* places, int left)
    {
        TVector best = TSimd.Create(float.NegativeInfinity);
        TVector place = TSimd.Create(window.FirstPlace);
        for (int row = window.Top; row < window.Bottom; row++, pixels += c.LineStride)
        {
            float* pixel = pixels;
            int here = ((row - window.Y) * c.KernelWidth) - window.X;
            for (int column = window.Left; column < window.Right; column++, pixel += c.XStride)
            {
                Raise(ref best, ref place, SimdPart<TSimd, TVector>.Load(pixel, left), TSimd.Create(here + column));
            }
        }

        SimdPart<TSimd, TVector>.Store(best, y, left);
        SimdPart<TSimd, TVector>.Store(place, places, left);
    }

    /// <summary><see cref="Maxima"/> of four vectors, stored past the caches where <paramref name="past"/> is set.</summary>
    public static void MaximaOfFour(ref PoolingContext c, in PoolingWindow window, float* pixels, bool past, float* y, float* places)
    {
        TVector best0 = TSimd.Create(float.NegativeInfinity), best1 = best0, best2 = best0, best3 = best0;
        long ahead = c.Stride * c.XStride;
        TVector place0 = TSimd.Create(window.FirstPlace), place1 = place0, place2 = place0, place3 = place0;
        for (int row = window.Top; row < window.Bottom; row++, pixels += c.LineStride)
        {
            float* pixel = pixels;
            int start = ((row - window.Y) * c.KernelWidth) - window.X;
            for (int column = window.Left; column < window.Right; column++, pixel += c.XStride)
            {
                CacheLine.Fetch(pixel + ahead, 4 * TSimd.Count);
                TVector here = TSimd.Create(start + column);
                Raise(ref best0, ref place0, TSimd.Load(pixel), here);
                Raise(ref best1, ref place1, TSimd.Load(pixel + TSimd.Count), here);
                Raise(ref best2, ref place2, TSimd.Load(pixel + (2 * TSimd.Count)), here);
                Raise(ref best3, ref place3, TSimd.Load(pixel + (3 * TSimd.Count)), here);
            }
        }

        SimdPart<TSimd, TVector>.StoreFour(past, best0, best1, best2, best3, y);
        SimdPart<TSimd, TVector>.StoreFour(past, place0, place1, place2, place3, places);
    }

    /// <summary>Means over a window.</summary>
    /// <inheritdoc cref="Maxima"/>
    public static void Means(ref PoolingContext c, in PoolingWindow window, float* pixels, float* y, int left)
    {
        TVector sum = TSimd.Zero;
        for (int row = window.Top; row < window.Bottom; row++, pixels += c.LineStride)
        {
            float* pixel = pixels;
            for (int column = window.Left; column < window.Right; column++, pixel += c.XStride)
            {
                sum = TSimd.Add(sum, SimdPart<TSimd, TVector>.Load(pixel, left));
            }
        }

        SimdPart<TSimd, TVector>.Store(TSimd.Multiply(TSimd.Create(c.Scale), sum), y, left);
    }

    /// <summary><see cref="Means"/> of four vectors, stored past the caches where <paramref name="past"/> is set.</summary>
    public static void MeansOfFour(ref PoolingContext c, in PoolingWindow window, float* pixels, bool past, float* y)
    {
        long ahead = c.Stride * c.XStride;
        TVector sum0 = TSimd.Zero, sum1 = sum0, sum2 = sum0, sum3 = sum0;
        for (int row = window.Top; row < window.Bottom; row++, pixels += c.LineStride)
        {
            float* pixel = pixels;
            for (int column = window.Left; column < window.Right; column++, pixel += c.XStride)
            {
                CacheLine.Fetch(pixel + ahead, 4 * TSimd.Count);
                sum0 = TSimd.Add(sum0, TSimd.Load(pixel));
                sum1 = TSimd.Add(sum1, TSimd.Load(pixel + TSimd.Count));
                sum2 = TSimd.Add(sum2, TSimd.Load(pixel + (2 * TSimd.Count)));
                sum3 = TSimd.Add(sum3, TSimd.Load(pixel + (3 * TSimd.Count)));
            }
        }

        TVector scale = TSimd.Create(c.Scale);
        SimdPart<TSimd, TVector>.StoreFour(past, TSimd.Multiply(scale, sum0), TSimd.Multiply(scale, sum1), TSimd.Multiply(scale, sum2), TSimd.Multiply(scale, sum3), y);
    }

    /// <summary><c>∂x ← β·∂x</c> + what a pixel gets from the gradients of its outputs: where there are places, of those whose place it is.</summary>
    /// <param name="j">The first channel.</param>
    /// <param name="gradient">The pixel's, of these channels.</param>
    public static void Gather(ref PoolingContext c, in PoolingOutputs outputs, int j, float* gradient, int left)
    {
        TVector sum = TSimd.Zero;
        for (int y = outputs.Top; y <= outputs.Bottom; y++)
        {
            for (int x = outputs.Left; x <= outputs.Right; x++)
            {
                long output = ((long)y * c.OutputWidth) + x;
                TVector value = SimdPart<TSimd, TVector>.Load(c.Y(outputs.First + output) + j, left);
                if (c.Places == null)
                {
                    sum = TSimd.MultiplyAdd(TSimd.Create(c.Scale), value, sum);
                    continue;
                }

                float* place = c.Places + ((outputs.FirstPlace + output) * c.PlaceStride) + j;
                TVector here = TSimd.Create(((outputs.Row - (y * c.Stride)) * c.KernelWidth) + outputs.Column - (x * c.Stride));
                sum = TSimd.Add(sum, Where(SimdPart<TSimd, TVector>.Load(place, left), here, value));
            }
        }

        if (c.Beta != 0)
        {
            sum = TSimd.MultiplyAdd(TSimd.Create(c.Beta), SimdPart<TSimd, TVector>.Load(gradient, left), sum);
        }

        SimdPart<TSimd, TVector>.Store(sum, gradient, left);
    }

    /// <summary><see cref="Gather"/> of four vectors, stored past the caches where <paramref name="past"/> is set.</summary>
    public static void GatherFour(ref PoolingContext c, in PoolingOutputs outputs, int j, bool past, float* gradient)
    {
        TVector sum0 = TSimd.Zero, sum1 = sum0, sum2 = sum0, sum3 = sum0;
        TVector scale = TSimd.Create(c.Scale);
        for (int y = outputs.Top; y <= outputs.Bottom; y++)
        {
            for (int x = outputs.Left; x <= outputs.Right; x++)
            {
                long output = ((long)y * c.OutputWidth) + x;
                float* value = c.Y(outputs.First + output) + j;
                TVector v0 = TSimd.Load(value), v1 = TSimd.Load(value + TSimd.Count);
                TVector v2 = TSimd.Load(value + (2 * TSimd.Count)), v3 = TSimd.Load(value + (3 * TSimd.Count));
                if (c.Places == null)
                {
                    (sum0, sum1) = (TSimd.MultiplyAdd(scale, v0, sum0), TSimd.MultiplyAdd(scale, v1, sum1));
                    (sum2, sum3) = (TSimd.MultiplyAdd(scale, v2, sum2), TSimd.MultiplyAdd(scale, v3, sum3));
                    continue;
                }

                float* place = c.Places + ((outputs.FirstPlace + output) * c.PlaceStride) + j;
                TVector here = TSimd.Create(((outputs.Row - (y * c.Stride)) * c.KernelWidth) + outputs.Column - (x * c.Stride));
                sum0 = TSimd.Add(sum0, Where(TSimd.Load(place), here, v0));
                sum1 = TSimd.Add(sum1, Where(TSimd.Load(place + TSimd.Count), here, v1));
                sum2 = TSimd.Add(sum2, Where(TSimd.Load(place + (2 * TSimd.Count)), here, v2));
                sum3 = TSimd.Add(sum3, Where(TSimd.Load(place + (3 * TSimd.Count)), here, v3));
            }
        }

        if (c.Beta != 0)
        {
            TVector beta = TSimd.Create(c.Beta);
            sum0 = TSimd.MultiplyAdd(beta, TSimd.Load(gradient), sum0);
            sum1 = TSimd.MultiplyAdd(beta, TSimd.Load(gradient + TSimd.Count), sum1);
            sum2 = TSimd.MultiplyAdd(beta, TSimd.Load(gradient + (2 * TSimd.Count)), sum2);
            sum3 = TSimd.MultiplyAdd(beta, TSimd.Load(gradient + (3 * TSimd.Count)), sum3);
        }

        SimdPart<TSimd, TVector>.StoreFour(past, sum0, sum1, sum2, sum3, gradient);
    }

    /// <summary>Takes a pixel's value where it is larger: anything is larger than the start, NaN than any number, nothing than NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Raise(ref TVector best, ref TVector place, TVector value, TVector here)
    {
        TVector larger = TSimd.Select(TSimd.LessOrEqual(value, best), TSimd.Zero, TSimd.LessOrEqual(best, best));
        place = TSimd.Select(larger, here, place);
        best = TSimd.Select(larger, value, best);
    }

    /// <summary>The value where the place is here, else zero; places are whole numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Where(TVector place, TVector here, TVector value)
    {
        TVector distance = TSimd.Abs(TSimd.Subtract(place, here));
        return TSimd.Select(TSimd.Less(distance, TSimd.Create(0.5f)), value, TSimd.Zero);
    }
}
