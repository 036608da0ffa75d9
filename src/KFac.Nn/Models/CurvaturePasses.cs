using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Backward passes that compute output gradients only, several seeds at a time.</summary>
internal static class CurvaturePasses
{
    private const int MostSeedsPerPass = 16;

    /// <summary>Back-propagates the seeds of <paramref name="kind"/> and hands the layers' output gradients to a sink.</summary>
    /// <param name="kind">Any but <see cref="CurvatureKind.ForwardOnly"/>, which has none.</param>
    /// <param name="samples">Of <see cref="CurvatureKind.MonteCarlo"/>, at least 1.</param>
    /// <param name="memory">Bytes that the gradients of one pass may take; at least one seed goes through a pass.</param>
    public static void Run(
        Tape tape, LossHead loss, Variable output, CurvatureKind kind, int samples, DeviceKey key, long memory, ICaptureSink sink)
    {
        int total = Seeds(kind, samples, output.Value.Columns);
        int perPass = SeedsPerPass(total, memory, tape.GradientElements);
        var options = new BackwardOptions(WeightGradients: false, sink, Scale: 1f);
        for (int first = 0; first < total; first += perPass)
        {
            MatrixView<float> seeds = tape.NewSeeds(output, Math.Min(perPass, total - first));
            loss.WriteSeeds(kind, first, key, tape.PassMemory, seeds);
            tape.Backward(output, seeds, options);
        }
    }

    private static int Seeds(CurvatureKind kind, int samples, int columns)
    {
        switch (kind)
        {
            case CurvatureKind.Empirical:
                return 1;
            case CurvatureKind.MonteCarlo:
                ArgumentOutOfRangeException.ThrowIfNegativeOrZero(samples);
                return samples;
            case CurvatureKind.Exact:
                return columns;
            default:
                throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown kind of curvature.");
        }
    }

    private static int SeedsPerPass(int total, long memory, long elementsPerSeed)
    {
        long bytesPerSeed = Math.Max(1, sizeof(float) * elementsPerSeed);
        return (int)Math.Clamp(memory / bytesPerSeed, 1, Math.Min(total, MostSeedsPerPass));
    }
}
