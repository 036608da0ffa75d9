namespace KFac.Reference;

/// <summary>Convolution of channels-last images in float64, term by term from its definition.</summary>
public static class ConvolutionReference
{
    /// <summary>Sizes, as a convolution of one group has them.</summary>
    public sealed record Geometry(
        int Channels, int Height, int Width, int KernelHeight, int KernelWidth, int Stride, int Padding, int Dilation, int Outputs, bool Bias)
    {
        /// <summary>Rows of the output.</summary>
        public int OutputHeight => ((Height + (2 * Padding) - (Dilation * (KernelHeight - 1)) - 1) / Stride) + 1;

        /// <summary>Columns of the output.</summary>
        public int OutputWidth => ((Width + (2 * Padding) - (Dilation * (KernelWidth - 1)) - 1) / Stride) + 1;

        /// <summary>Columns of the weights.</summary>
        public int WeightColumns => (Channels * KernelHeight * KernelWidth) + (Bias ? 1 : 0);
    }

    /// <summary>y [images·H'·W', C_out] of x [images·H·W, C] and weights [C_out, WeightColumns].</summary>
    public static double[] Forward(double[] x, double[] weights, int images, Geometry g)
    {
        var y = new double[images * g.OutputHeight * g.OutputWidth * g.Outputs];
        ForEachTerm(images, g, (output, input, weight) => y[output] += (input < 0 ? 1 : x[input]) * weights[weight]);
        return y;
    }

    /// <summary>∂x of ∂y.</summary>
    public static double[] InputGradient(double[] dy, double[] weights, int images, Geometry g)
    {
        var dx = new double[images * g.Height * g.Width * g.Channels];
        ForEachTerm(images, g, (output, input, weight) =>
        {
            if (input >= 0)
            {
                dx[input] += dy[output] * weights[weight];
            }
        });
        return dx;
    }

    /// <summary>∂W, the bias last.</summary>
    public static double[] WeightGradient(double[] x, double[] dy, int images, Geometry g)
    {
        var dw = new double[g.Outputs * g.WeightColumns];
        ForEachTerm(images, g, (output, input, weight) => dw[weight] += (input < 0 ? 1 : x[input]) * dy[output]);
        return dw;
    }

    /// <summary>All products of an input (−1 for the bias) with a weight that some output sums.</summary>
    private static void ForEachTerm(int images, Geometry g, Action<int, int, int> term)
    {
        int positions = g.OutputHeight * g.OutputWidth;
        int elements = g.KernelHeight * g.KernelWidth;
        for (int row = 0; row < images * positions; row++)
        {
            int top = (row % positions / g.OutputWidth * g.Stride) - g.Padding;
            int left = (row % positions % g.OutputWidth * g.Stride) - g.Padding;
            for (int output = 0; output < g.Outputs; output++)
            {
                int to = (row * g.Outputs) + output;
                if (g.Bias)
                {
                    term(to, -1, ((output + 1) * g.WeightColumns) - 1);
                }

                for (int element = 0; element < elements; element++)
                {
                    int y = top + (element / g.KernelWidth * g.Dilation);
                    int x = left + (element % g.KernelWidth * g.Dilation);
                    if (y < 0 || y >= g.Height || x < 0 || x >= g.Width)
                    {
                        continue;
                    }

                    int pixel = (((row / positions * g.Height) + y) * g.Width) + x;
                    for (int channel = 0; channel < g.Channels; channel++)
                    {
                        term(to, (pixel * g.Channels) + channel, (output * g.WeightColumns) + (channel * elements) + element);
                    }
                }
            }
        }
    }
}
