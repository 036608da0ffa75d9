namespace KFac.Engine;

/// <summary>When the damped inverse of a factor of N rows is better applied through the N×N system of its rows.</summary>
/// <remarks>
/// To apply it to K vectors takes <c>2·K·N·P + K·N²</c> multiply-adds instead of <c>K·P²</c>: less below N = 0.41·P. To
/// prepare it takes <c>N²P + N³</c> instead of <c>N·P² + P³</c>, less at any N below P. Measured with as many vectors as
/// rows, preparation and application together break even at 0.65·P; up to 0.4·P the dual wins at both, however often
/// an inverse is used.
/// </remarks>
internal static class DualCost
{
    private const double Share = 0.4;

    /// <summary>Condition numbers beyond this lose too many digits to the cancellation in <c>(V − V·αXᵀSX)/λ</c>.</summary>
    private const double LargestCondition = 1e5;

    /// <summary>The most rows of a factor of this width.</summary>
    public static int MostRows(int width) => (int)(Share * width);

    /// <summary>Whether λ is large enough beside the factor, by the bound <c>tr/λ</c> on the condition number.</summary>
    public static bool IsAccurate(double trace, double damping) => trace <= LargestCondition * damping;
}
