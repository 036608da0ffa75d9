namespace KFac.Reference;

/// <summary>The patches of a convolution, one by one, in float64; their Gram matrix is <see cref="GramReference"/>'s.</summary>
public static class ConvolutionGramReference
{
    /// <summary>A convolution of one group of channels.</summary>
    public sealed record Geometry(
        int Channels, int Height, int Width, int KernelHeight, int KernelWidth, int Stride, int Padding, int Dilation)
    {
        /// <summary>Rows of the output.</summary>
        public int OutputHeight => ((Height + (2 * Padding) - (Dilation * (KernelHeight - 1)) - 1) / Stride) + 1;

        /// <summary>Columns of the output.</summary>
        public int OutputWidth => ((Width + (2 * Padding) - (Dilation * (KernelWidth - 1)) - 1) / Stride) + 1;

        /// <summary>Elements of a patch.</summary>
        public int PatchWidth => Channels * KernelHeight * KernelWidth;
    }

    /// <summary>Zero-padded patches [images·OutputHeight·OutputWidth, PatchWidth] of images [images, Channels, Height, Width].</summary>
    public static double[] Patches(double[] x, int images, Geometry geometry)
    {
        int positions = geometry.OutputHeight * geometry.OutputWidth;
        var patches = new double[images * positions * geometry.PatchWidth];
        int next = 0;
        for (int row = 0; row < images * positions; row++)
        {
            int top = (row % positions / geometry.OutputWidth * geometry.Stride) - geometry.Padding;
            int left = (row % positions % geometry.OutputWidth * geometry.Stride) - geometry.Padding;
            for (int element = 0; element < geometry.PatchWidth; element++)
            {
                int channel = element / (geometry.KernelHeight * geometry.KernelWidth);
                int y = top + (element / geometry.KernelWidth % geometry.KernelHeight * geometry.Dilation);
                int x0 = left + (element % geometry.KernelWidth * geometry.Dilation);
                bool inside = y >= 0 && y < geometry.Height && x0 >= 0 && x0 < geometry.Width;
                int image = row / positions;
                patches[next++] = inside ? x[(((((image * geometry.Channels) + channel) * geometry.Height) + y) * geometry.Width) + x0] : 0;
            }
        }

        return patches;
    }
}
