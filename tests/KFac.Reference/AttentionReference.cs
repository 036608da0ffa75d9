namespace KFac.Reference;

/// <summary>Sizes and mask of multi-head attention.</summary>
/// <param name="KeyCounts">Keys from the count on are padding, one count per example.</param>
public sealed record AttentionCase(
    int Examples, int Heads, int Queries, int Keys, int KeyWidth, int ValueWidth, double Scale, bool Causal, int[] KeyCounts)
{
    public bool Sees(int example, int query, int key) =>
        key < KeyCounts[example] && (!Causal || key <= query + Keys - Queries);
}

/// <summary>Softmax attention and its derivatives in float64, from the equations, with every score in memory.</summary>
public static class AttentionReference
{
    /// <summary><c>p[n, h, i, j]</c>: the softmax of <c>scale·q·k</c> over the keys that query i sees.</summary>
    public static double[,,,] Weights(AttentionCase c, double[] q, double[] k)
    {
        double[,,,] weights = Scores(c, q, k);
        foreach ((int n, int h, int i) in Queries(c))
        {
            int[] seen = [.. Enumerable.Range(0, c.Keys).Where(j => c.Sees(n, i, j))];
            double largest = seen.Length == 0 ? 0 : seen.Max(j => weights[n, h, i, j]);
            double sum = seen.Sum(j => Math.Exp(weights[n, h, i, j] - largest));
            for (int j = 0; j < c.Keys; j++)
            {
                weights[n, h, i, j] = c.Sees(n, i, j) ? Math.Exp(weights[n, h, i, j] - largest) / sum : 0;
            }
        }

        return weights;
    }

    /// <summary><c>scale·q·k</c>.</summary>
    public static double[,,,] Scores(AttentionCase c, double[] q, double[] k)
    {
        var scores = new double[c.Examples, c.Heads, c.Queries, c.Keys];
        foreach ((int n, int h, int i) in Queries(c))
        {
            for (int j = 0; j < c.Keys; j++)
            {
                for (int e = 0; e < c.KeyWidth; e++)
                {
                    scores[n, h, i, j] += c.Scale * q[At(n, c.Queries, i, c.Heads, h, c.KeyWidth) + e] * k[At(n, c.Keys, j, c.Heads, h, c.KeyWidth) + e];
                }
            }
        }

        return scores;
    }

    /// <summary><c>o = Σ_j p_j·v_j</c>.</summary>
    public static double[] Forward(AttentionCase c, double[] q, double[] k, double[] v)
    {
        double[,,,] weights = Weights(c, q, k);
        var outputs = new double[c.Examples * c.Queries * c.Heads * c.ValueWidth];
        foreach ((int n, int h, int i) in Queries(c))
        {
            for (int j = 0; j < c.Keys; j++)
            {
                for (int e = 0; e < c.ValueWidth; e++)
                {
                    outputs[At(n, c.Queries, i, c.Heads, h, c.ValueWidth) + e] += weights[n, h, i, j] * v[At(n, c.Keys, j, c.Heads, h, c.ValueWidth) + e];
                }
            }
        }

        return outputs;
    }

    /// <summary>By the softmax's Jacobian, <c>∂s_j = p_j·(∂p_j − Σ_l p_l·∂p_l)</c> with <c>∂p_j = ∂o·v_j</c>.</summary>
    public static (double[] Queries, double[] Keys, double[] Values) Backward(
        AttentionCase c, double[] q, double[] k, double[] v, double[] outputGradient)
    {
        double[,,,] weights = Weights(c, q, k);
        var dq = new double[q.Length];
        var dk = new double[k.Length];
        var dv = new double[v.Length];
        foreach ((int n, int h, int i) in Queries(c))
        {
            int o = At(n, c.Queries, i, c.Heads, h, c.ValueWidth);
            double[] dp = [.. Enumerable.Range(0, c.Keys).Select(j =>
                Enumerable.Range(0, c.ValueWidth).Sum(e => outputGradient[o + e] * v[At(n, c.Keys, j, c.Heads, h, c.ValueWidth) + e]))];
            double mean = Enumerable.Range(0, c.Keys).Sum(j => weights[n, h, i, j] * dp[j]);
            for (int j = 0; j < c.Keys; j++)
            {
                double ds = c.Scale * weights[n, h, i, j] * (dp[j] - mean);
                for (int e = 0; e < c.KeyWidth; e++)
                {
                    dq[At(n, c.Queries, i, c.Heads, h, c.KeyWidth) + e] += ds * k[At(n, c.Keys, j, c.Heads, h, c.KeyWidth) + e];
                    dk[At(n, c.Keys, j, c.Heads, h, c.KeyWidth) + e] += ds * q[At(n, c.Queries, i, c.Heads, h, c.KeyWidth) + e];
                }

                for (int e = 0; e < c.ValueWidth; e++)
                {
                    dv[At(n, c.Keys, j, c.Heads, h, c.ValueWidth) + e] += weights[n, h, i, j] * outputGradient[o + e];
                }
            }
        }

        return (dq, dk, dv);
    }

    /// <summary>The first element of a head's part of a row.</summary>
    public static int At(int example, int rows, int row, int heads, int head, int width) =>
        ((((example * rows) + row) * heads) + head) * width;

    private static IEnumerable<(int Example, int Head, int Query)> Queries(AttentionCase c) =>
        from n in Enumerable.Range(0, c.Examples)
        from h in Enumerable.Range(0, c.Heads)
        from i in Enumerable.Range(0, c.Queries)
        select (n, h, i);
}
