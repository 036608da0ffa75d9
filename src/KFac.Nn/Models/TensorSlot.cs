namespace KFac.Nn;

/// <summary>Part of a parameter that is a tensor in a file, or some of a tensor's rows: parts of the same name follow each other in it.</summary>
/// <param name="Tensor">Name in the file.</param>
/// <param name="Rows">The first size.</param>
/// <param name="Columns">Elements of a row.</param>
/// <param name="First">Where a row's elements begin in a row of the parameter.</param>
/// <param name="Stride">Elements from one row of the parameter to the next.</param>
/// <param name="Sizes">The sizes after the first, whose product is <paramref name="Columns"/>.</param>
internal sealed record TensorSlot(string Tensor, int Rows, int Columns, int First, int Stride, IReadOnlyList<int> Sizes)
{
    /// <summary>The image that a row belongs to, if it does: pixel by pixel in the parameter, plane by plane in the file.</summary>
    public ImageSize? Image { get; init; }

    public int Length => Rows * Columns;

    /// <summary>Copies the part out of a parameter's values.</summary>
    public void Read(ReadOnlySpan<float> parameter, Span<float> tensor)
    {
        for (int i = 0; i < Length; i++)
        {
            tensor[InTensor(i)] = parameter[InParameter(i)];
        }
    }

    /// <summary>Copies the part into a parameter's values.</summary>
    public void Write(ReadOnlySpan<float> tensor, Span<float> parameter)
    {
        for (int i = 0; i < Length; i++)
        {
            parameter[InParameter(i)] = tensor[InTensor(i)];
        }
    }

    private int InParameter(int index) => (index / Columns * Stride) + First + (index % Columns);

    private int InTensor(int index)
    {
        if (Image is not { } image)
        {
            return index;
        }

        int column = index % Columns;
        return index - column + (column % image.Channels * image.Height * image.Width) + (column / image.Channels);
    }
}
