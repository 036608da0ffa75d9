namespace KFac.Reference;

/// <summary>First-order update rules in float64, written from their papers; parameters change in place.</summary>
public static class FirstOrderRules
{
    /// <summary>Heavy ball (Polyak 1964) or Nesterov's momentum as Sutskever et al. (2013) state it, with L2 decay in the gradient.</summary>
    public static void Momentum(
        double[] parameters, double[] gradient, double[] velocity, double rate, double momentum, double decay, bool nesterov)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            double g = gradient[i] + (decay * parameters[i]);
            velocity[i] = (momentum * velocity[i]) + g;
            parameters[i] -= rate * (nesterov ? g + (momentum * velocity[i]) : velocity[i]);
        }
    }

    /// <summary>AdamW (Loshchilov and Hutter 2019, algorithm 2), or NAdamW (Choi et al. 2019, table 1, with decoupled decay).</summary>
    /// <param name="t">Counts from 1.</param>
    public static void Adam(
        double[] parameters,
        double[] gradient,
        double[] first,
        double[] second,
        int t,
        double rate,
        double beta1,
        double beta2,
        double epsilon,
        double decay,
        bool nesterov)
    {
        for (int i = 0; i < parameters.Length; i++)
        {
            double g = gradient[i];
            first[i] = (beta1 * first[i]) + ((1 - beta1) * g);
            second[i] = (beta2 * second[i]) + ((1 - beta2) * g * g);
            double numerator = nesterov ? (beta1 * first[i]) + ((1 - beta1) * g) : first[i];
            double corrected = numerator / (1 - Math.Pow(beta1, t));
            double root = Math.Sqrt(second[i] / (1 - Math.Pow(beta2, t)));
            parameters[i] -= rate * ((corrected / (root + epsilon)) + (decay * parameters[i]));
        }
    }
}
