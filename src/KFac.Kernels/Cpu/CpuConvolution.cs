namespace KFac.Kernels.Cpu;

/// <summary><see cref="Convolution"/> on the CPU: products with pixels read where they lie, or with patches that are written a few rows
/// at a time.</summary>
/// <remarks>Pixels are read where they lie (<see cref="PixelProduct"/>, <see cref="PixelGradient"/>), or, where there are few channels, from copies of a few
/// lines with their padding (<see cref="NarrowProduct"/>, <see cref="NarrowGradient"/>; to few channels <see cref="LineProduct"/>), except
/// where images are too narrow, and for weight gradients where channels are no whole vectors (<see cref="PatchProduct"/>,
/// <see cref="PatchGradient"/>). The adjoint gathers: a pixel's gradient is a product with the patch of output gradients that meet it.
/// With a stride, pixels are taken phase by phase (pixel modulo stride), since those of one phase meet the same kernel elements.</remarks>
internal sealed class CpuConvolution(CpuDevice device) : IConvolutionKernel
{
    public void Forward(in ConvolutionArguments arguments)
    {
        Multiply(Patches(arguments), arguments.Images, new ConvolutionWeights(arguments, isAdjoint: false), new PatchTarget(arguments.Y, 0));
    }

    public void InputGradient(in ConvolutionArguments arguments)
    {
        int stride = arguments.Shape.Stride;
        var weights = new ConvolutionWeights(arguments, isAdjoint: true);
        for (int phase = 0; phase < stride * stride; phase++)
        {
            RunPhase(arguments, weights, phase / stride, phase % stride);
        }
    }

    public void WeightGradient(in ConvolutionArguments arguments)
    {
        if (arguments.Y.Columns == 0)
        {
            return;
        }

        PatchGrid patches = Patches(arguments);

        if (PixelGradient.Suits(patches))
        {
            var gradient = new PixelGradient(device, patches, arguments);
            gradient.Run();
        }
        else if (NarrowGradient.Suits(patches, arguments.Y.Columns))
        {
            var gradient = new NarrowGradient(device, patches, arguments);
            gradient.Run();
        }
        else
        {
            var gradient = new PatchGradient(device, patches, arguments);
            gradient.Run();
        }
    }

    private static PatchGrid Patches(in ConvolutionArguments arguments)
    {
        ConvolutionShape shape = arguments.Shape;
        return new PatchGrid(arguments.X, shape.Height, shape.Width)
        {
            Height = shape.OutputHeight,
            Width = shape.OutputWidth,
            Step = shape.Stride,
            Down = PatchAxis.Forward(shape.KernelHeight, shape.Padding, shape.Dilation),
            Across = PatchAxis.Forward(shape.KernelWidth, shape.Padding, shape.Dilation),
            HasOnes = arguments.HasBias,
        };
    }

    private void RunPhase(in ConvolutionArguments arguments, in ConvolutionWeights weights, int down, int across)
    {
        ConvolutionShape shape = arguments.Shape;
        var grid = new PatchGrid(arguments.Y, shape.OutputHeight, shape.OutputWidth)
        {
            Height = Count(shape.Height, shape.Stride, down),
            Width = Count(shape.Width, shape.Stride, across),
            Step = 1,
            Down = PatchAxis.Adjoint(shape.KernelHeight, shape.Stride, shape.Padding, shape.Dilation, down),
            Across = PatchAxis.Adjoint(shape.KernelWidth, shape.Stride, shape.Padding, shape.Dilation, across),
        };
        var target = new PatchTarget(arguments.X, arguments.Beta)
        {
            Step = shape.Stride,
            First = (down, across),
            Image = (shape.Height, shape.Width),
            Grid = (grid.Height, grid.Width),
        };
        if (grid.Columns == 0)
        {
            target.Scale(arguments.Images * grid.Height * grid.Width, shape.Channels);
            return;
        }

        Multiply(grid, arguments.Images, weights, target);
    }

    private void Multiply(in PatchGrid grid, int images, in ConvolutionWeights weights, in PatchTarget target)
    {
        if (NarrowProduct.Suits(device, grid, weights, target))
        {
            var product = new NarrowProduct(device, grid, images, weights, target);
            product.Run();
        }
        else if (LineProduct.Suits(grid, weights))
        {
            var product = new LineProduct(device, grid, images, weights, target);
            product.Run();
        }
        else if (PixelProduct.Suits(grid))
        {
            var product = new PixelProduct(device, grid, images, weights, target);
            product.Run();
        }
        else
        {
            var product = new PatchProduct(device, grid, images, weights, target);
            product.Run();
        }
    }

    /// <summary>Pixels of a phase.</summary>
    private static int Count(int size, int stride, int phase) => (size - phase + stride - 1) / stride;
}
