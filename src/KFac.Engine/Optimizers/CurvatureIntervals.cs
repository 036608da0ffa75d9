namespace KFac.Engine;

/// <summary>At which steps factors and inverses are updated. Step 0 does both.</summary>
/// <param name="Factor">Steps between factor updates.</param>
/// <param name="Inverse">T, steps between inversions.</param>
/// <param name="UpdatesBeforeInversion">S: only the S steps that end with an inversion update factors (FOOF, algorithm 1);
/// null follows <paramref name="Factor"/>.</param>
internal readonly record struct CurvatureIntervals(int Factor, int Inverse, int? UpdatesBeforeInversion)
{
    public bool UpdatesFactors(long step)
    {
        if (step == 0)
        {
            return true;
        }

        return UpdatesBeforeInversion is { } updates
            ? (step + updates - 1) % Inverse < updates
            : step % Factor == 0;
    }

    public bool UpdatesInverses(long step) => step % Inverse == 0;
}
