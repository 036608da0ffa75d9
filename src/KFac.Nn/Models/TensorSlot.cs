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
    public int Length => Rows * Columns;

    /// <summary>Copies the part out of a parameter's values.</summary>
    public void Read(ReadOnlySpan<float> parameter, Span<float> tensor)
    {
        for (int row = 0; row < Rows; row++)
        {
            parameter.Slice((row * Stride) + First, Columns).CopyTo(tensor[(row * Columns)..]);
        }
    }

    /// <summary>Copies the part into a parameter's values.</summary>
    public void Write(ReadOnlySpan<float> tensor, Span<float> parameter)
    {
        for (int row = 0; row < Rows; row++)
        {
            tensor.Slice(row * Columns, Columns).CopyTo(parameter[((row * Stride) + First)..]);
        }
    }
}
