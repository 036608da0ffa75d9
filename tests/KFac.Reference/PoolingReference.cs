namespace KFac.Reference;

/// <summary>Pooling of channels-last images in float64, window by window.</summary>
public static class PoolingReference
{
    /// <summary>Sizes of images and windows.</summary>
    public sealed record Geometry(int Channels, int Height, int Width, int KernelHeight, int KernelWidth, int Stride, int Padding)
    {
        /// <summary>Rows of the output.</summary>
        public int OutputHeight => ((Height + (2 * Padding) - KernelHeight) / Stride) + 1;

        /// <summary>Columns of the output.</summary>
        public int OutputWidth => ((Width + (2 * Padding) - KernelWidth) / Stride) + 1;
    }

    /// <summary>The largest pixel of every window; the first of equal ones.</summary>
    public static double[] Max(double[] x, int images, Geometry g)
    {
        int[] sources = Sources(x, images, g);
        return Array.ConvertAll(sources, source => x[source]);
    }

    /// <summary>∂x of ∂y, which may be several seeds'.</summary>
    public static double[] MaxAdjoint(double[] x, double[] dy, int images, Geometry g)
    {
        int[] sources = Sources(x, images, g);
        var dx = new double[x.Length * (dy.Length / Math.Max(1, sources.Length))];
        for (int i = 0; i < dy.Length; i++)
        {
            dx[(i / sources.Length * x.Length) + sources[i % sources.Length]] += dy[i];
        }

        return dx;
    }

    /// <summary>The mean of every window, padding being zeros.</summary>
    public static double[] Average(double[] x, int images, Geometry g)
    {
        var y = new double[images * g.OutputHeight * g.OutputWidth * g.Channels];
        ForEachPixel(images, g, (output, pixel) => y[output] += x[pixel] / (g.KernelHeight * g.KernelWidth));
        return y;
    }

    /// <summary>∂x of ∂y.</summary>
    public static double[] AverageAdjoint(double[] dy, int images, Geometry g)
    {
        var dx = new double[images * g.Height * g.Width * g.Channels];
        ForEachPixel(images, g, (output, pixel) => dx[pixel] += dy[output] / (g.KernelHeight * g.KernelWidth));
        return dx;
    }

    private static int[] Sources(double[] x, int images, Geometry g)
    {
        var sources = new int[images * g.OutputHeight * g.OutputWidth * g.Channels];
        Array.Fill(sources, -1);
        ForEachPixel(images, g, (output, pixel) =>
        {
            if (sources[output] < 0 || x[pixel] > x[sources[output]])
            {
                sources[output] = pixel;
            }
        });
        return sources;
    }

    /// <summary>All outputs with the pixels of their windows, in order.</summary>
    private static void ForEachPixel(int images, Geometry g, Action<int, int> visit)
    {
        for (int row = 0; row < images * g.OutputHeight * g.OutputWidth; row++)
        {
            int image = row / g.OutputWidth / g.OutputHeight;
            for (int element = 0; element < g.KernelHeight * g.KernelWidth; element++)
            {
                int y = (row / g.OutputWidth % g.OutputHeight * g.Stride) - g.Padding + (element / g.KernelWidth);
                int x = (row % g.OutputWidth * g.Stride) - g.Padding + (element % g.KernelWidth);
                for (int channel = 0; y >= 0 && y < g.Height && x >= 0 && x < g.Width && channel < g.Channels; channel++)
                {
                    visit((row * g.Channels) + channel, ((((image * g.Height) + y) * g.Width) + x) * g.Channels + channel);
                }
            }
        }
    }
}
