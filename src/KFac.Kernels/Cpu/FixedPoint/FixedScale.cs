namespace KFac.Kernels.Cpu;

/// <summary>How columns of numbers become 16-bit integers of which sums of products cannot overflow 32 bits.</summary>
/// <remarks>
/// A product is summed as integers over blocks of <see cref="BlockSteps"/> steps of k, and blocks are added in float32. By Cauchy and
/// Schwarz a block's sum is at most the product of two blocks' norms, so each column is scaled such that no
/// block's norm exceeds 2^15.5 and no element 2^15. With elements of even size this leaves 12 bits each, and the relative error
/// of a product, <c>‖δ(XY)‖ / (‖X‖‖Y‖)</c>, is <see cref="Noise"/> over the root of the steps of k.
/// </remarks>
internal static class FixedScale
{
    /// <summary>Steps of k in a block.</summary>
    public const int BlockSteps = 128;

    /// <summary>Relative error of a product in the Frobenius norm, times the root of its steps of k: √(BlockSteps / 6) · 2^-15.5, and half as
    /// much again for elements that are not of even size.</summary>
    public const double Noise = 1.5e-4;

    private const float LargestNorm = 46300;
    private const float LargestElement = 32767;

    /// <summary>Numbers below which all are taken for 0.</summary>
    private const float Smallest = 1e-30f;

    /// <summary>Integers to a unit; 0 when all numbers are taken for 0.</summary>
    /// <param name="largestSquare">The largest squared norm of a block.</param>
    /// <param name="largest">The largest magnitude.</param>
    public static float Scale(float largestSquare, float largest) =>
        largest < Smallest ? 0 : Math.Min(LargestElement / largest, LargestNorm / MathF.Sqrt(largestSquare));

    /// <summary>What an integer stands for.</summary>
    public static float Unit(float scale) => scale == 0 ? 0 : 1 / scale;
}
