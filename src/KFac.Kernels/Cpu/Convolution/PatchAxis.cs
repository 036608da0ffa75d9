namespace KFac.Kernels.Cpu;

/// <summary>One axis of a patch: the pixels that its elements meet, in ascending order, and the kernel elements they stand for.</summary>
/// <param name="Count">Elements.</param>
/// <param name="Offset">Pixel of the first element where the patch's position is 0.</param>
/// <param name="Spacing">Pixels from an element to the next.</param>
/// <param name="Kernel">Kernel element of the first.</param>
/// <param name="KernelSpacing">Kernel elements from an element to the next; negative in the adjoint.</param>
internal readonly record struct PatchAxis(int Count, int Offset, int Spacing, int Kernel, int KernelSpacing)
{
    /// <summary>Pixels that an output at o·stride meets.</summary>
    public static PatchAxis Forward(int kernel, int padding, int dilation) => new(kernel, -padding, dilation, 0, 1);

    /// <summary>Outputs that meet pixel <c>step·stride + phase</c>, counted from <c>step</c>: o = step + (phase + padding − a·dilation)/stride,
    /// for the kernel elements a that make this whole.</summary>
    public static PatchAxis Adjoint(int kernel, int stride, int padding, int dilation, int phase)
    {
        (int first, int count, int period) = (0, 0, 1);
        for (int a = 0; a < kernel; a++)
        {
            if ((phase + padding - (a * dilation)) % stride == 0)
            {
                period = count == 1 ? a - first : period;
                first = count == 0 ? a : first;
                count++;
            }
        }

        if (count == 0)
        {
            return default;
        }

        int last = first + ((count - 1) * period);
        return new PatchAxis(count, (phase + padding - (last * dilation)) / stride, Math.Max(1, period * dilation / stride), last, -period);
    }

    /// <summary>Elements, from the first included to the end excluded, that meet a pixel of an axis of <paramref name="size"/> where the patch is at
    /// <paramref name="position"/>.</summary>
    public (int First, int End) Inside(int position, int size)
    {
        int start = position + Offset;
        int first = start >= 0 ? 0 : (Spacing - 1 - start) / Spacing;
        int end = start >= size ? 0 : ((size - 1 - start) / Spacing) + 1;
        return (Math.Min(first, Count), Math.Min(end, Count));
    }
}
