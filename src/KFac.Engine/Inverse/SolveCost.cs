namespace KFac.Engine;

/// <summary>When a factor is better factored than inverted, and its Cholesky factor applied in place of the inverse.</summary>
/// <remarks>
/// Factoring takes a third of an inversion's n³ operations; both are applied to a vector with 2n². Measured at width 1000 with two threads: 2.8 ms to
/// invert, 1.25 to factor; applied to 100 vectors no difference, to 1000 the factor takes 6% more, 0.3 ms. So the factor is better
/// until an inverse has met about five vectors for each of its columns. That is so on processors; GPUs form inverses
/// (<see cref="KFac.Kernels.CholeskySolve.PaysForFewVectors"/>).
/// </remarks>
internal static class SolveCost
{
    /// <summary>Below this width whole blocks of the factor, and solves one after the other, cost what factoring saves.</summary>
    private const int LeastWidth = 192;

    /// <summary>Vectors for each column that an inverse meets at most.</summary>
    private const int VectorsPerColumn = 4;

    /// <summary>Whether the factor costs less.</summary>
    /// <param name="vectors">That are multiplied until the next update.</param>
    public static bool Pays(int width, long vectors) => width >= LeastWidth && vectors <= (long)VectorsPerColumn * width;
}
