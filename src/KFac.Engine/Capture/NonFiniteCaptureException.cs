namespace KFac.Engine;

/// <summary>A NaN or an infinity stood in what a layer handed over, or in a gradient. No state has been changed.</summary>
/// <param name="layer">The layer's or the parameter's name.</param>
/// <param name="quantity">What was read: <c>inputs</c>, <c>output gradients</c> or <c>weight gradients</c>.</param>
/// <param name="row">Row of the first such element.</param>
/// <param name="column">Column of the first such element.</param>
public sealed class NonFiniteCaptureException(string layer, string quantity, long row, long column)
    : ArithmeticException($"The {quantity} of '{layer}' hold a NaN or an infinity, first at row {row}, column {column}.")
{
    /// <summary>The layer's or the parameter's name.</summary>
    public string Layer { get; } = layer;

    /// <summary>What was read: <c>inputs</c>, <c>output gradients</c> or <c>weight gradients</c>.</summary>
    public string Quantity { get; } = quantity;

    /// <summary>Row of the first such element.</summary>
    public long Row { get; } = row;

    /// <summary>Column of the first such element.</summary>
    public long Column { get; } = column;
}
