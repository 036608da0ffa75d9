namespace KFac.Engine;

/// <summary>One matrix of a <see cref="MatrixFigure"/>, drawn by magnitude: black is zero, white the largest.</summary>
/// <remarks>Grey is the square root of the magnitude over the largest, so that small elements remain visible.</remarks>
/// <param name="Title">Above the matrix.</param>
/// <param name="Matrix">What is drawn; every element must be finite.</param>
/// <param name="Width">Width of the drawing in pixels.</param>
/// <param name="Height">Height of the drawing in pixels.</param>
public sealed record MatrixPanel(string Title, HostMatrix Matrix, double Width, double Height)
{
    /// <summary>The magnitude that is drawn white; null takes the matrix's own largest. Panels to be compared share one.</summary>
    public double? WhiteAt { get; init; }

    /// <summary>Below the matrix, one line each.</summary>
    public IReadOnlyList<string> Captions { get; init; } = [];
}
