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
        using KroneckerInverses inverses = Invert(stream, a, b, gradient.Rows, gradient.Columns, damping, style);
        inverses.Apply(0, gradient, update);
        return inverses.Events;
    }

    /// <summary><c>update ← (A⊗B + damping)⁻¹ · GᵀX</c>: a gradient given by the rows that make it. Few rows are preconditioned
    /// themselves, <c>(B⁻¹Gᵀ)(X A⁻¹)</c>; see <see cref="KroneckerInverses.ApplyRows"/>.</summary>
    /// <param name="outputGradients">G, [N, P_out].</param>
    /// <param name="inputs">X, [N, P_in]; a bias is a last column of ones.</param>
    /// <param name="update">[P_out, P_in]; must not overlap the rows.</param>
    /// <inheritdoc cref="Apply"/>
    public static IReadOnlyList<NumericalEventCount> ApplyRows(
        DeviceStream stream,
        MatrixView<float> a,
        MatrixView<float> b,
        MatrixView<float> outputGradients,
        MatrixView<float> inputs,
        double damping,
        DampingStyle style,
        MatrixView<float> update)
    {
        using KroneckerInverses inverses = Invert(stream, a, b, outputGradients.Columns, inputs.Columns, damping, style);
        inverses.ApplyRows(0, outputGradients, inputs, 1, update);
        return inverses.Events;
    }

    private static KroneckerInverses Invert(
        DeviceStream stream, MatrixView<float> a, MatrixView<float> b, int outputs, int inputs, double damping, DampingStyle style)
    {
        ArgumentNullException.ThrowIfNull(stream);
        KroneckerLayer[] layer = [new KroneckerLayer("gradient", inputs, outputs, HasBias: false)];
        var options = new InverseOptions { Style = style, Damping = damping, OnEvent = RefuseStandIn };
        KroneckerInverses inverses = KroneckerInverses.Create(stream, layer, options);
        try
        {
            inverses.Update([new KroneckerPair(a, b)]);
            return inverses;
        }
        catch
        {
            inverses.Dispose();
            throw;
        }
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
