namespace KFac.Nn;

/// <summary>Maps values to positions along an axis, and chooses ticks at round numbers.</summary>
internal sealed class PlotAxis
{
    private const double TicksWanted = 6;

    private readonly bool _logarithmic;
    private readonly double _low;
    private readonly double _high;
    private readonly double _start;
    private readonly double _end;

    private PlotAxis(bool logarithmic, double low, double high, double start, double end)
    {
        _logarithmic = logarithmic;
        _low = low;
        _high = high;
        _start = start;
        _end = end;
        Ticks = logarithmic ? LogarithmicTicks(low, high) : LinearTicks(low, high);
    }

    /// <summary>Values to be marked, all inside the axis.</summary>
    public IReadOnlyList<double> Ticks { get; }

    /// <summary>An axis over all values, from position <paramref name="start"/> to <paramref name="end"/>.</summary>
    /// <param name="logarithmic">Asked for; given only when all values are positive and span more than a factor of two.</param>
    public static PlotAxis Over(IReadOnlyCollection<double> values, double start, double end, bool logarithmic = false)
    {
        double low = values.Count == 0 ? 0 : values.Min();
        double high = values.Count == 0 ? 1 : values.Max();
        if (logarithmic && low > 0 && high > 2 * low)
        {
            return new PlotAxis(true, Math.Log10(low) - 0.05, Math.Log10(high) + 0.05, start, end);
        }

        double margin = high > low ? 0.04 * (high - low) : Math.Max(0.5 * Math.Abs(high), 0.5);
        return new PlotAxis(false, low - margin, high + margin, start, end);
    }

    /// <summary>A linear axis from 0 to <paramref name="high"/> without margins.</summary>
    public static PlotAxis FromZero(double high, double start, double end) => new(false, 0, Math.Max(high, 1), start, end);

    /// <summary>Where a value lies.</summary>
    public double Position(double value)
    {
        double place = _logarithmic ? Math.Log10(value) : value;
        return _start + ((place - _low) / (_high - _low) * (_end - _start));
    }

    private static List<double> LinearTicks(double low, double high)
    {
        double raw = (high - low) / TicksWanted;
        double power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        double step = power * (raw / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
        var ticks = new List<double>();
        for (double i = Math.Ceiling(low / step); i * step <= high; i++)
        {
            ticks.Add(i * step);
        }

        return ticks;
    }

    /// <summary>1, 2 and 5 of every decade, or powers of ten alone when there are many decades.</summary>
    private static List<double> LogarithmicTicks(double low, double high)
    {
        double[] mantissas = high - low > 4 ? [1] : [1, 2, 5];
        var ticks = new List<double>();
        for (double decade = Math.Floor(low); decade <= high; decade++)
        {
            foreach (double mantissa in mantissas)
            {
                double tick = mantissa * Math.Pow(10, decade);
                if (Math.Log10(tick) >= low && Math.Log10(tick) <= high)
                {
                    ticks.Add(tick);
                }
            }
        }

        return ticks;
    }
}
