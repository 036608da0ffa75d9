namespace KFac.Kernels.Cpu;

/// <summary>When another step of <see cref="WarmEigen{TTile, TSimd, TVector}"/> pays.</summary>
/// <remarks>Costs are in products of n×n matrices, as measured on two AVX-512 cores: starting from scratch takes 5.3 products
/// for n = 1024, 7.5 for 512, 10.5 for 256; a step about 4 with all that lies between its products.</remarks>
internal readonly struct WarmEigenPlan(int n)
{
    /// <summary>What a whole step costs, and what is left of it when the outcome can be foreseen.</summary>
    private const double StepCost = 4.2;
    private const double RestOfStep = 2.5;
    private const int MostSteps = 4;

    private readonly double _scratchCost = 3.8 * (1 + (430.0 / n));

    /// <summary>Elements of F that are left alone, in units of ε·‖A‖: all n² of them together are as many units of n·ε.</summary>
    public static double NegligibleElement(double tolerance) => 0.3 * tolerance;

    /// <summary>Residual of a column that is left alone, relative to the tolerance over √n.</summary>
    public static double NegligibleColumn => 0.4;

    /// <summary>Whether there is room for a further step after so many.</summary>
    public bool MayRepeat(int steps) => steps < MostSteps && StepCost < 0.7 * _scratchCost;

    /// <summary>Whether going on leads to the tolerance in less time than starting from scratch.</summary>
    /// <param name="steps">Steps done.</param>
    /// <param name="before">The residual before this step.</param>
    /// <param name="after">What is expected of it after this step.</param>
    public bool Pays(int steps, double before, double after, double tolerance)
    {
        double cost = RestOfStep;
        double ratio = after / before;
        for (int step = steps + 1; step <= MostSteps; step++)
        {
            if (after <= tolerance)
            {
                return cost < 0.9 * _scratchCost;
            }

            // The angles shrink with the residual, and what a step leaves is their product.
            after *= ratio;
            ratio *= ratio;
            cost += StepCost;
        }

        return false;
    }
}
