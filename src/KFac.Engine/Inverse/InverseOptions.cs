using KFac.Kernels;

namespace KFac.Engine;

/// <summary>How factors are inverted, and what happens when one can't be.</summary>
public sealed record InverseOptions
{
    /// <summary>How λ enters.</summary>
    public DampingStyle Style { get; init; } = DampingStyle.FactoredPi;

    /// <summary>λ, at least 0.</summary>
    public double Damping { get; init; } = 1e-3;

    /// <summary>How many times damping is increased tenfold for a factor that fails in float64 too.</summary>
    public int DampingIncreases { get; init; } = 4;

    /// <summary>Product damping: whether the eigenvectors of an update start from those before it. What
    /// comes out meets the same bounds either way.</summary>
    public bool WarmStart { get; init; } = true;

    /// <summary>Product damping with <see cref="WarmStart"/>: the eigenvectors are kept, and only the values updated, while
    /// off-diagonal elements in the old basis are below this share of the factor's Frobenius norm. 0, the default,
    /// keeps them only when they are eigenvectors to working precision.</summary>
    public double KeepBasisBelow { get; init; }

    /// <summary>Whether factors may be given by their rows (<see cref="KroneckerPair.RowsOfA"/>), which are inverted through the small
    /// system of the rows where λ is not too small for it. Not for product damping.</summary>
    public bool AcceptsRows { get; init; }

    /// <summary>Gradients that each layer's inverses are applied to before they are updated, at least 1: where these are few, the Cholesky factor
    /// is kept in place of the inverse and solved with (<see cref="CholeskySolve"/>), which costs less there. Null, the default, where that is not
    /// known: inverses are formed. The update is the same up to rounding.</summary>
    public int? Uses { get; init; }

    /// <summary>Called at every numerical event; null for no call. Events are counted in either case.</summary>
    public Action<NumericalEvent>? OnEvent { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        OptionCheck.Defined(Style, nameof(Style));
        OptionCheck.NonNegative(Damping, nameof(Damping));
        OptionCheck.AtLeast(DampingIncreases, 0, nameof(DampingIncreases));
        OptionCheck.InHalfOpenUnitInterval(KeepBasisBelow, nameof(KeepBasisBelow));
        if (Uses is { } uses)
        {
            OptionCheck.AtLeast(uses, 1, nameof(Uses));
        }

        if (AcceptsRows && Style == DampingStyle.Product)
        {
            throw new ArgumentException("AcceptsRows is true and Style is Product; wanted another style, which inverts each factor on its own.");
        }
    }
}
