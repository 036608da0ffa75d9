using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Preconditions one gradient with one pair of factors, for callers that hold plain matrices.</summary>
public static class Preconditioner
{
    /// <summary><c>update ← (A⊗B + damping)⁻¹ · gradient</c>, with damping in the given style.</summary>
    /// <param name="a">[P_in, P_in], symmetric positive semi-definite; a bias counts in P_in.</param>
    /// <param name="b">[P_out, P_out], alike; not read by <see cref="DampingStyle.InputOnly"/>.</param>
    /// <param name="gradient">∇W, [P_out, P_in].</param>
    /// <param name="damping">λ, at least 0.</param>
    /// <param name="update">[P_out, P_in]; must not overlap the gradient.</param>
    /// <returns>What had to be done to invert the factors: retries in float64 and added damping; usually nothing.</returns>
    /// <exception cref="ArgumentException">Shapes disagree, or the damping is negative or not finite.</exception>
    /// <exception cref="ArithmeticException">A factor is not finite, or not positive semi-definite.</exception>
    public static IReadOnlyList<NumericalEventCount> Apply(
        DeviceStream stream,
        MatrixView<float> a,
        MatrixView<float> b,
        MatrixView<float> gradient,
        double damping,
        DampingStyle style,
        MatrixView<float> update)
    {
        ArgumentNullException.ThrowIfNull(stream);
        KroneckerLayer[] layer = [new KroneckerLayer("gradient", gradient.Columns, gradient.Rows, HasBias: false)];
        var options = new InverseOptions { Style = style, Damping = damping, OnEvent = RefuseStandIn };
        using KroneckerInverses inverses = KroneckerInverses.Create(stream, layer, options);
        inverses.Update([new KroneckerPair(a, b)]);
        inverses.Apply(0, gradient, update);
        return inverses.Events;
    }

    private static void RefuseStandIn(NumericalEvent numericalEvent)
    {
        if (numericalEvent.Kind == NumericalEventKind.UsedScaledIdentity)
        {
            throw new ArithmeticException(
                $"Factor {numericalEvent.Factor} cannot be inverted, even with more damping; wanted a finite, positive semi-definite matrix.");
        }
    }
}
