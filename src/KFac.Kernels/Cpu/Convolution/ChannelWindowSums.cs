using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>The windows of some channels of one image.</summary>
/// <param name="pitch">Elements from the sums of one rectangle, strip or window to the next.</param>
/// <param name="rectangles">One for each pair of intervals.</param>
/// <param name="strips">One for each interval of rows and column of the kernel.</param>
/// <param name="windows">One for each element of the kernel.</param>
/// <param name="line">A line of pixels.</param>
internal readonly unsafe struct ChannelWindowSums<TSimd, TVector>(
    ConvolutionGroup group, WindowCuts down, WindowCuts across, int pitch, float* rectangles, float* strips, float* windows, float* line)
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private readonly ConvolutionGroup _group = group;
    private readonly WindowCuts _down = down;
    private readonly WindowCuts _across = across;

    private bool AddsLinesFirst => _group.Channels < TSimd.Count && _group.PixelStride == _group.Channels;

    private long LineStride => _group.Columns.Size * _group.PixelStride;

    /// <returns>Sums of windows, [k_h·k_w, pitch].</returns>
    public float* Sum(float* image, int channels, float factor)
    {
        for (int rowPhase = 0; rowPhase < _down.Phases; rowPhase++)
        {
            for (int columnPhase = 0; columnPhase < _across.Phases; columnPhase++)
            {
                int count = _down.Intervals(rowPhase) * _across.Intervals(columnPhase);
                new Span<float>(rectangles, count * pitch).Clear();
                for (int interval = 0; interval < _down.Intervals(rowPhase); interval++)
                {
                    SumInterval(image, channels, rowPhase, interval, columnPhase);
                    SumStrips(channels, interval, columnPhase);
                }

                SumStripsToWindows(channels, rowPhase, columnPhase, factor);
            }
        }

        return windows;
    }

    /// <summary>Rectangles of one interval of rows.</summary>
    private void SumInterval(float* image, int channels, int rowPhase, int interval, int columnPhase)
    {
        float* target = rectangles + ((long)interval * _across.Intervals(columnPhase) * pitch);
        StepRange rows = _down.Interval(rowPhase, interval);
        long step = _group.Rows.Stride * LineStride;
        float* first = image + (_down.FirstPixel(rowPhase) * LineStride) + (rows.Start * step);
        if (AddsLinesFirst)
        {
            AddLines(first, step, rows.Count);
            AddLine(line, channels, columnPhase, target);
            return;
        }

        for (int row = 0; row < rows.Count; row++)
        {
            AddLine(first + (row * step), channels, columnPhase, target);
        }
    }

    /// <summary>Adds lines as they lie, in the order of memory, four at a time; what is behind the last element is not read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddLines(float* first, long step, int count)
    {
        int length = _group.Columns.Size * _group.Channels;
        new Span<float>(line, length).Clear();
        int row = 0;
        for (; row + 4 <= count; row += 4)
        {
            float* pixels = first + (row * step);
            int j = 0;
            for (; j + TSimd.Count <= length; j += TSimd.Count)
            {
                TVector sum = TSimd.Add(TSimd.Load(pixels + j), TSimd.Load(pixels + step + j));
                TVector other = TSimd.Add(TSimd.Load(pixels + (2 * step) + j), TSimd.Load(pixels + (3 * step) + j));
                TSimd.Store(TSimd.Add(TSimd.Load(line + j), TSimd.Add(sum, other)), line + j);
            }

            for (; j < length; j++)
            {
                line[j] += pixels[j] + pixels[step + j] + (pixels[(2 * step) + j] + pixels[(3 * step) + j]);
            }
        }

        for (; row < count; row++)
        {
            float* pixels = first + (row * step);
            int j = 0;
            for (; j + TSimd.Count <= length; j += TSimd.Count)
            {
                TSimd.Store(TSimd.Add(TSimd.Load(line + j), TSimd.Load(pixels + j)), line + j);
            }

            for (; j < length; j++)
            {
                line[j] += pixels[j];
            }
        }
    }

    private void AddLine(float* pixels, int channels, int columnPhase, float* target)
    {
        long step = _group.Columns.Stride * _group.PixelStride;
        pixels += _across.FirstPixel(columnPhase) * _group.PixelStride;
        for (int interval = 0; interval < _across.Intervals(columnPhase); interval++)
        {
            StepRange columns = _across.Interval(columnPhase, interval);
            AddRun(pixels + (columns.Start * step), step, columns.Count, channels, target + ((long)interval * pitch));
        }
    }

    /// <summary><c>sum[c] += Σ pixels[i·step + c]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRun(float* pixels, long step, int count, int channels, float* sum)
    {
        int j = 0;
        for (; j + (4 * TSimd.Count) <= channels; j += 4 * TSimd.Count)
        {
            TVector sum0 = TSimd.Load(sum + j);
            TVector sum1 = TSimd.Load(sum + j + TSimd.Count);
            TVector sum2 = TSimd.Load(sum + j + (2 * TSimd.Count));
            TVector sum3 = TSimd.Load(sum + j + (3 * TSimd.Count));
            float* pixel = pixels + j;
            for (int i = 0; i < count; i++)
            {
                sum0 = TSimd.Add(sum0, TSimd.Load(pixel));
                sum1 = TSimd.Add(sum1, TSimd.Load(pixel + TSimd.Count));
                sum2 = TSimd.Add(sum2, TSimd.Load(pixel + (2 * TSimd.Count)));
                sum3 = TSimd.Add(sum3, TSimd.Load(pixel + (3 * TSimd.Count)));
                pixel += step;
            }

            TSimd.Store(sum0, sum + j);
            TSimd.Store(sum1, sum + j + TSimd.Count);
            TSimd.Store(sum2, sum + j + (2 * TSimd.Count));
            TSimd.Store(sum3, sum + j + (3 * TSimd.Count));
        }

        for (; j < channels; j += TSimd.Count)
        {
            int present = Math.Min(TSimd.Count, channels - j);
            TVector total = TSimd.Load(sum + j);
            for (int i = 0; i < count; i++)
            {
                float* pixel = pixels + (i * step) + j;
                total = TSimd.Add(total, present == TSimd.Count ? TSimd.Load(pixel) : TSimd.LoadPartial(pixel, present));
            }

            TSimd.Store(total, sum + j);
        }
    }

    /// <summary>For each column of the kernel the rectangles of an interval of rows that it meets.</summary>
    private void SumStrips(int channels, int interval, int columnPhase)
    {
        float* from = rectangles + ((long)interval * _across.Intervals(columnPhase) * pitch);
        for (int b = 0; b < _group.Columns.Kernel; b++)
        {
            if (_across.Meets(b, columnPhase, out StepRange met))
            {
                float* strip = strips + ((((long)interval * _group.Columns.Kernel) + b) * pitch);
                AddUp(from + ((long)met.Start * pitch), pitch, met.Count, 1, channels, strip);
            }
        }
    }

    private void SumStripsToWindows(int channels, int rowPhase, int columnPhase, float factor)
    {
        int kernelColumns = _group.Columns.Kernel;
        for (int a = 0; a < _group.Rows.Kernel; a++)
        {
            if (!_down.Meets(a, rowPhase, out StepRange met))
            {
                continue;
            }

            for (int b = 0; b < kernelColumns; b++)
            {
                if (_across.Meets(b, columnPhase, out _))
                {
                    float* from = strips + ((((long)met.Start * kernelColumns) + b) * pitch);
                    float* window = windows + ((((long)a * kernelColumns) + b) * pitch);
                    AddUp(from, (long)kernelColumns * pitch, met.Count, factor, channels, window);
                }
            }
        }
    }

    /// <summary><c>sum[c] ← factor·Σ from[i·step + c]</c>, whole vectors.</summary>
    private static void AddUp(float* from, long step, int count, float factor, int channels, float* sum)
    {
        TVector scale = TSimd.Create(factor);
        for (int j = 0; j < channels; j += TSimd.Count)
        {
            TVector total = TSimd.Zero;
            for (int i = 0; i < count; i++)
            {
                total = TSimd.Add(total, TSimd.Load(from + (i * step) + j));
            }

            TSimd.Store(TSimd.Multiply(scale, total), sum + j);
        }
    }
}
