namespace KFac.Engine;

/// <summary>Which loss the factors describe the curvature of.</summary>
public enum LossReduction
{
    /// <summary>The sum of the loss's terms: <c>GGN ≈ A ⊗ B</c> as numerics states it.</summary>
    Sum,

    /// <summary>Their mean, as training minimises it: B is divided by <see cref="ICurvatureModel.LossTerms"/> (M, or M·R in
    /// the expand setting).</summary>
    Mean,
}
