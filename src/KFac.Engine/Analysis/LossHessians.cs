namespace KFac.Engine;

/// <summary>Hessians Λ of the per-term losses w.r.t. the model's output, in float64.</summary>
public static class LossHessians
{
    /// <summary>Softmax cross-entropy: <c>diag(p) − p pᵀ</c> with <c>p = softmax(logits)</c>.</summary>
    public static HostMatrix Softmax(ReadOnlySpan<double> logits)
    {
        double maximum = double.NegativeInfinity;
        foreach (double logit in logits)
        {
            maximum = Math.Max(maximum, logit);
        }

        var probabilities = new double[logits.Length];
        double sum = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            probabilities[i] = Math.Exp(logits[i] - maximum);
            sum += probabilities[i];
        }

        var hessian = new HostMatrix(logits.Length, logits.Length);
        for (int i = 0; i < logits.Length; i++)
        {
            for (int j = 0; j < logits.Length; j++)
            {
                double p = probabilities[i] / sum;
                hessian[i, j] = (i == j ? p : 0) - (p * probabilities[j] / sum);
            }
        }

        return hessian;
    }

    /// <summary>Independent Bernoulli cross-entropy: <c>diag(σ(1 − σ))</c> with <c>σ</c> the logistic function of the logits.</summary>
    public static HostMatrix Bernoulli(ReadOnlySpan<double> logits)
    {
        var hessian = new HostMatrix(logits.Length, logits.Length);
        for (int i = 0; i < logits.Length; i++)
        {
            double e = Math.Exp(-Math.Abs(logits[i]));
            hessian[i, i] = e / ((1 + e) * (1 + e));
        }

        return hessian;
    }
}
