using KFac.Kernels;

namespace KFac.Engine;

/// <summary>What a layer hands over in one pass: its inputs, or the gradients of its outputs, as rows.</summary>
/// <param name="Rows">[Seeds·M·R, P] with seeds outermost, or [Seeds·R_M, P] for ragged examples. Borrowed: valid only
/// during the call.</param>
/// <param name="Examples">M.</param>
/// <param name="Sharing">R, 1 without weight sharing; 0 for ragged examples.</param>
/// <param name="Segments">Where each example's rows begin, for ragged examples; null otherwise.</param>
/// <param name="Seeds">Back-propagated seeds stacked in the rows; 1 for inputs.</param>
/// <param name="Scale">What the rows must be multiplied by to become gradients of the loss summed over its terms
/// (M for the rows of a mean-reduced loss); 1 for inputs.</param>
public readonly record struct LayerRows(
    MatrixView<float> Rows, int Examples, int Sharing, SegmentOffsets? Segments, int Seeds, float Scale)
{
    /// <summary>Whether the layer looked rows of its weight up, <c>y = Wᵀe</c> with a one-hot e, instead of multiplying <c>y = W·a</c>.
    /// Inputs are then <see cref="Tokens"/>, output gradients have the width P_in of the weight's rows. Only for layers with
    /// <see cref="KroneckerLayer.HasDiagonalOutput"/>.</summary>
    public bool IsLookup { get; init; }

    /// <summary>The inputs of a lookup, which row of the weight each is; [M·R] or [R_M]. Borrowed like the rows, which are empty
    /// then. An id outside the weight is no input, and adds nothing to a factor.</summary>
    public VectorView<int> Tokens { get; init; }

    /// <summary>Stands for the value of the forward pass that these rows, or the images of a convolution, are the whole of: inputs with the same
    /// number in one capture are the same rows. Null where that is not known.</summary>
    public int? Source { get; init; }

    /// <summary>The inputs of a lookup.</summary>
    /// <param name="tokens">[M·R], or [R_M] for ragged examples.</param>
    /// <param name="examples">M.</param>
    /// <param name="sharing">R, or 0 with segments.</param>
    /// <param name="segments">Where each example's tokens begin, for ragged examples; null otherwise.</param>
    public static LayerRows OfTokens(VectorView<int> tokens, int examples, int sharing, SegmentOffsets? segments = null) =>
        new(default, examples, sharing, segments, 1, 1) { IsLookup = true, Tokens = tokens };

    /// <summary>Where a convolution takes its patches, for its inputs: the rows are then the pixels of the images, [M·H·W, C] with
    /// the channels last, and the patches, of width P_in = C·k_h·k_w, are not formed. One group of channels; a grouped
    /// convolution is a layer for each group, which hands over its columns. R is the number of output positions. Null otherwise.</summary>
    public ConvolutionShape? Convolution { get; init; }

    /// <summary>The inputs of a convolution.</summary>
    /// <param name="pixels">[M·H·W, C], or a range of C columns of a wider matrix.</param>
    /// <param name="shape">Of one group.</param>
    /// <exception cref="ArgumentException">The convolution has no output, or more than one group; or the rows are not whole images of C channels.</exception>
    public static LayerRows OfImages(MatrixView<float> pixels, ConvolutionShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        var rows = new LayerRows(pixels, pixels.Rows / shape.Pixels, shape.Positions, null, 1, 1) { Convolution = shape };
        rows.Validate("inputs", rows.Width);
        return rows;
    }

    /// <summary>P, the width of the rows that enter a factor: patches where there is a convolution.</summary>
    internal int Width => Convolution?.PatchWidth ?? Rows.Columns;

    /// <summary>Rows of one seed: M·R, or R_M for ragged examples.</summary>
    public long RowsPerSeed => Segments?.Rows ?? (long)Examples * Sharing;

    /// <summary>Throws unless the counts describe the rows.</summary>
    /// <param name="layer">Name for the message.</param>
    /// <param name="width">P; null for tokens.</param>
    /// <exception cref="ArgumentException">Says what was given and what is wanted.</exception>
    internal void Validate(string layer, int? width)
    {
        if (Examples < 1)
        {
            throw new ArgumentException($"Layer '{layer}' has {Examples} examples; wanted at least 1.");
        }

        if (Segments is null ? Sharing < 1 : Sharing != 0 || Segments.Segments != Examples)
        {
            throw new ArgumentException(
                $"Layer '{layer}' has {Examples} examples, sharing {Sharing} and {Segments?.Segments.ToString() ?? "no"} segments; "
                + "wanted a sharing of at least 1 without segments, or 0 with one segment per example.");
        }

        if (width is null && (Seeds != 1 || Tokens.Length != RowsPerSeed || !Rows.IsEmpty))
        {
            throw new ArgumentException(
                $"Layer '{layer}' handed over {Tokens.Length} tokens and a {Rows} matrix; wanted {RowsPerSeed} tokens and no rows.");
        }

        if (Convolution is not null)
        {
            ValidateImages(layer, Convolution, width);
        }
        else if (width is not null && (Seeds < 1 || Rows.Rows != Seeds * RowsPerSeed || Rows.Columns != width))
        {
            throw new ArgumentException(
                $"Layer '{layer}' handed over a {Rows} matrix for {Seeds} seeds of {RowsPerSeed} rows; wanted {Seeds * RowsPerSeed}×{width}.");
        }

        if (!float.IsFinite(Scale))
        {
            throw new ArgumentException($"Layer '{layer}' handed over rows with scale {Scale}; wanted a finite number.");
        }
    }

    private void ValidateImages(string layer, ConvolutionShape shape, int? width)
    {
        if (shape.Groups != 1 || Seeds != 1 || Segments is not null || Sharing != shape.Positions)
        {
            throw new ArgumentException(
                $"Layer '{layer}' handed over images for {shape.Groups} groups, {Seeds} seeds and sharing {Sharing}, {(Segments is null ? "without" : "with")} segments; "
                + $"wanted one group, one seed, a sharing of the {shape.Positions} output positions and no segments.");
        }

        if (shape.PatchWidth != width || Rows.Columns != shape.Channels || Rows.Rows != (long)Examples * shape.Pixels)
        {
            throw new ArgumentException(
                $"Layer '{layer}' handed over a {Rows} matrix of images whose patches have {shape.PatchWidth} elements; "
                + $"wanted {(long)Examples * shape.Pixels}×{shape.Channels} and patches of {width?.ToString() ?? "no"} elements.");
        }
    }
}

/// <summary>Takes what layers hand over. Layers are named by their index in <see cref="ICurvatureModel.Layers"/>.</summary>
/// <remarks>A layer that is used several times in one forward pass hands over several times; contributions add.</remarks>
public interface ICaptureSink
{
    /// <summary>The inputs <b>a</b> of a layer, without the constant 1 of a bias; tokens for a lookup.</summary>
    void Inputs(int layer, in LayerRows rows);

    /// <summary>The output gradients <b>g</b> of a layer.</summary>
    void OutputGradients(int layer, in LayerRows rows);
}
