namespace KFac.Kernels.Cpu;

/// <summary>What the elements of a convolution's patches meet at a few lines of output positions: for every element one stretch of memory, in the
/// order of the positions.</summary>
/// <remarks>
/// Of a channel there is a copy for each column of the kernel, in which what this column meets at a line of positions lies side by side, zeros where it is
/// padding, and the lines follow each other without gaps. Rows of the kernel are these copies from another line on; with a stride, lines of one phase
/// are together.
/// </remarks>
internal readonly unsafe struct ElementLines(ConvolutionGroup group, bool hasOnes, int most, float* memory)
{
    private readonly ConvolutionGroup _group = group;

    private int Width => _group.Columns.Outputs;

    /// <summary>Elements of a patch.</summary>
    private int Elements => _group.Channels * _group.Rows.Kernel * _group.Columns.Kernel;

    /// <summary>Elements of memory.</summary>
    public static long MemoryElements(ConvolutionGroup group, int most)
    {
        long lines = most + LastLine(group);
        long copies = group.Columns.Kernel * lines * group.Columns.Outputs;
        long padded = lines * PaddedWidth(group);
        return (group.Channels * group.Rows.Stride * (copies + padded)) + ((long)most * group.Columns.Outputs);
    }

    /// <summary>Where the stretch of an element begins; that of the ones comes last.</summary>
    public float* Of(int element)
    {
        if (element == Elements)
        {
            return Ones;
        }

        int column = element % _group.Columns.Kernel;
        int row = element / _group.Columns.Kernel % _group.Rows.Kernel * _group.Rows.Dilation;
        int channel = element / _group.Columns.Kernel / _group.Rows.Kernel;
        return Copy(channel, column, row % _group.Rows.Stride) + (row / _group.Rows.Stride * (long)Width);
    }

    /// <summary>Writes the ones, which copies leave as they are.</summary>
    public void Prepare()
    {
        if (hasOnes)
        {
            new Span<float>(Ones, most * Width).Fill(1);
        }
    }

    /// <summary>Copies what <paramref name="count"/> lines of positions of an image meet.</summary>
    /// <param name="first">First line of positions.</param>
    public void Copy<TSimd, TVector>(float* image, int first, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        // All lines are brought together before any is read again: vectors of what was just written element by element are slow to load.
        int lines = (count + LastLine(_group)) * _group.Rows.Stride;
        int top = (first * _group.Rows.Stride) - _group.Rows.Padding;
        for (int channel = 0; channel < _group.Channels; channel++)
        {
            for (int line = 0; line < lines; line++)
            {
                Pad<TSimd, TVector>(image + (channel * _group.ChannelStride), top + line, Padded(channel, line));
            }
        }

        for (int channel = 0; channel < _group.Channels; channel++)
        {
            for (int line = 0; line < lines; line++)
            {
                CopyLine<TSimd, TVector>(channel, line);
            }
        }
    }

    /// <summary>Writes a line of a channel to the copies of all columns of the kernel.</summary>
    private void CopyLine<TSimd, TVector>(int channel, int line)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ConvolutionAxis columns = _group.Columns;
        int phase = line % _group.Rows.Stride, step = line / _group.Rows.Stride;
        float* met = Padded(channel, line);
        for (int column = 0; column < columns.Kernel; column++)
        {
            float* target = Copy(channel, column, phase) + ((long)step * columns.Outputs);
            if (columns.Stride == 1)
            {
                SimdCopy<TSimd, TVector>.Copy(met, target, columns.Outputs);
            }
            else
            {
                CopyElements(met, columns.Stride, columns.Outputs, target);
            }

            met += columns.Dilation;
        }
    }

    /// <summary>Brings a line of a channel, which may be outside the image, together between its padding.</summary>
    private void Pad<TSimd, TVector>(float* plane, int line, float* padded)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ConvolutionAxis columns = _group.Columns;
        if ((uint)line >= (uint)_group.Rows.Size)
        {
            SimdCopy<TSimd, TVector>.Clear(padded, PaddedWidth(_group));
            return;
        }

        float* source = plane + ((long)line * columns.Size * _group.PixelStride);
        float* target = padded + columns.Padding;
        for (int x = 0; x < columns.Padding; x++)
        {
            (padded[x], target[columns.Size + x]) = (0, 0);
        }

        if (_group.PixelStride == 1)
        {
            SimdCopy<TSimd, TVector>.Copy(source, target, columns.Size);
        }
        else
        {
            CopyElements(source, _group.PixelStride, columns.Size, target);
        }
    }

    private static void CopyElements(float* source, long stride, int count, float* target)
    {
        int i = 0;
        for (; i + 4 <= count; i += 4)
        {
            (target[i], target[i + 1]) = (source[0], source[stride]);
            (target[i + 2], target[i + 3]) = (source[2 * stride], source[3 * stride]);
            source += 4 * stride;
        }

        for (; i < count; i++, source += stride)
        {
            target[i] = *source;
        }
    }

    private float* Copy(int channel, int column, int phase) =>
        memory + ((((long)((channel * _group.Columns.Kernel) + column) * _group.Rows.Stride) + phase) * (most + LastLine(_group)) * Width);

    private float* Ones => Copy(_group.Channels, 0, 0);

    /// <summary>A line of a channel between its padding.</summary>
    private float* Padded(int channel, int line) =>
        Ones + ((long)most * Width) + ((((long)channel * (most + LastLine(_group)) * _group.Rows.Stride) + line) * PaddedWidth(_group));

    private static int PaddedWidth(ConvolutionGroup group) => group.Columns.Size + (2 * group.Columns.Padding);

    /// <summary>Lines, of those of a phase, from that which the kernel's first row meets to the last that is met.</summary>
    private static int LastLine(ConvolutionGroup group) => (group.Rows.Kernel - 1) * group.Rows.Dilation / group.Rows.Stride;
}
