namespace KFac.Engine;

/// <summary>How the damping λ enters the inverse of <c>A ⊗ B</c>.</summary>
public enum DampingStyle
{
    /// <summary><c>(B + √λ/π·I)⁻¹ ∇W (A + π√λ·I)⁻¹</c> with <c>π² = (tr A / P_in)/(tr B / P_out)</c>, and π = 1 where
    /// either trace is 0 (Martens and Grosse 2015, section 6.3).</summary>
    FactoredPi,

    /// <summary><c>(B + λI)⁻¹ ∇W (A + λI)⁻¹</c>.</summary>
    PerFactor,

    /// <summary><c>(A⊗B + λI)⁻¹</c> exactly, through both eigenbases.</summary>
    Product,

    /// <summary><c>∇W (A + λI)⁻¹</c>: the style of forward-only curvature (FOOF), which has no B.</summary>
    InputOnly,
}
