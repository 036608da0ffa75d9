namespace KFac.Kernels.Cpu;

/// <summary>Weights [C_out, C, k_h, k_w] as the right side of a product with patches: a row for every column of a <see cref="PatchGrid"/>.</summary>
/// <param name="Data">Rows <paramref name="Stride"/> apart, a bias behind the kernel elements.</param>
/// <param name="Outputs">C_out.</param>
/// <param name="Channels">C.</param>
/// <param name="KernelWidth">k_w.</param>
/// <param name="KernelElements">k_h·k_w.</param>
/// <param name="IsAdjoint">Whether patches are of the output, so that its channels go along k and the input's across.</param>
internal readonly unsafe record struct ConvolutionWeights(
    nint Data, long Stride, int Outputs, int Channels, int KernelWidth, int KernelElements, bool IsAdjoint)
{
    public ConvolutionWeights(in ConvolutionArguments arguments, bool isAdjoint)
        : this(
            (nint)arguments.Weights.Pointer,
            arguments.Weights.RowStride,
            arguments.Weights.Rows,
            arguments.Shape.Channels,
            arguments.Shape.KernelWidth,
            arguments.Shape.KernelHeight * arguments.Shape.KernelWidth,
            isAdjoint)
    {
    }

    /// <summary>Columns of the product.</summary>
    public int Columns => IsAdjoint ? Channels : Outputs;

    /// <summary>Packs rows and columns of the right side as a panel of a <see cref="GemmBlock{TTile}"/>.</summary>
    /// <param name="panel">Steps of <paramref name="width"/> elements; those beyond the columns become 0.</param>
    public void Pack(in PatchGrid grid, int row, int rows, int column, int columns, float* panel, int width)
    {
        if (columns < width)
        {
            new Span<float>(panel, rows * width).Clear();
        }

        for (int j = 0; j < columns; j++)
        {
            PackColumn(grid, row, rows, column + j, panel + j, width);
        }
    }

    private void PackColumn(in PatchGrid grid, int row, int rows, int column, float* panel, int width)
    {
        float* weights = (float*)Data;
        int tap = row / grid.Channels;
        int channel = row - (tap * grid.Channels);
        for (int i = 0; i < rows;)
        {
            if (row + i == grid.Pixels)
            {
                panel[(long)i * width] = weights[(column * Stride) + ((long)Channels * KernelElements)];
                return;
            }

            int element = Element(grid, tap++);
            int end = Math.Min(rows, i + grid.Channels - channel);
            long step = IsAdjoint ? Stride : KernelElements;
            float* source = weights + element + (channel * step) + (IsAdjoint ? (long)column * KernelElements : column * Stride);
            for (; i < end; i++)
            {
                panel[(long)i * width] = *source;
                source += step;
            }

            channel = 0;
        }
    }

    /// <summary>Where in the kernel the grid's tap stands.</summary>
    public int Element(in PatchGrid grid, int tap) =>
        ((grid.Down.Kernel + (tap / grid.Across.Count * grid.Down.KernelSpacing)) * KernelWidth)
        + grid.Across.Kernel + (tap % grid.Across.Count * grid.Across.KernelSpacing);
}
