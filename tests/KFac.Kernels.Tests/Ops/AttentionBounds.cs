using KFac.Reference;
using KFac.Testing;

namespace KFac.Kernels.Tests;

/// <summary>Error bounds of attention: the roundings of scores, of their exponentials and of the sums that follow.</summary>
/// <remarks>A score of query i errs by at most <c>δ_i = γ(d + 4)·max_j |scale|·Σ|q||k_j|</c>, so a weight by
/// <c>ρ_i = 2δ_i + γ(2·Keys + 16)</c> of itself; the backward pass forms weights from scores and the logarithm of the sum,
/// which errs by as much again. Where factors of products are rounded (unit roundoff u), each product
/// errs by another <c>(2 + u)·u</c> of the sum of its terms' magnitudes.</remarks>
internal sealed class AttentionBounds
{
    private readonly AttentionCase _case;
    private readonly double _rounding;
    private readonly double[] _k;
    private readonly double[] _q;
    private readonly double[] _v;
    private readonly double[,,,] _weights;
    private readonly double[,,,] _magnitudes;

    public AttentionBounds(AttentionCase c, double[] q, double[] k, double[] v, double roundoff)
    {
        _rounding = (2 + roundoff) * roundoff;
        (_case, _q, _k, _v) = (c, Array.ConvertAll(q, Math.Abs), Array.ConvertAll(k, Math.Abs), Array.ConvertAll(v, Math.Abs));
        _weights = AttentionReference.Weights(c, q, k);
        _magnitudes = AttentionReference.Scores(c, _q, _k);
    }

    public double[] Outputs()
    {
        var bound = new double[_case.Examples * _case.Queries * _case.Heads * _case.ValueWidth];
        ForEachWeight((n, h, i, j, p) =>
        {
            for (int e = 0; e < _case.ValueWidth; e++)
            {
                bound[Query(n, i, h, _case.ValueWidth) + e] += Weight(n, h, i) * p * _v[Key(n, j, h, _case.ValueWidth) + e];
            }
        });
        return bound;
    }

    public (double[] Queries, double[] Keys, double[] Values) Gradients(double[] outputGradient)
    {
        AttentionCase c = _case;
        double[] g = Array.ConvertAll(outputGradient, Math.Abs);
        var queries = new double[_q.Length];
        var keys = new double[_k.Length];
        var values = new double[_v.Length];
        ForEachWeight((n, h, i, j, p) =>
        {
            double mean = 0;
            for (int other = 0; other < c.Keys; other++)
            {
                mean += _weights[n, h, i, other] * Product(g, n, h, i, other);
            }

            double relative = (3 * Weight(n, h, i)) + ErrorBound.Gamma(c.ValueWidth + c.Keys + c.Queries + 12) + (2 * _rounding);
            double score = relative * c.Scale * p * (Product(g, n, h, i, j) + mean);
            for (int e = 0; e < c.KeyWidth; e++)
            {
                queries[Query(n, i, h, c.KeyWidth) + e] += score * _k[Key(n, j, h, c.KeyWidth) + e];
                keys[Key(n, j, h, c.KeyWidth) + e] += score * _q[Query(n, i, h, c.KeyWidth) + e];
            }

            for (int e = 0; e < c.ValueWidth; e++)
            {
                values[Key(n, j, h, c.ValueWidth) + e] += relative * p * g[Query(n, i, h, c.ValueWidth) + e];
            }
        });
        return (queries, keys, values);
    }

    private double Product(double[] g, int n, int h, int i, int j)
    {
        double sum = 0;
        for (int e = 0; e < _case.ValueWidth; e++)
        {
            sum += g[Query(n, i, h, _case.ValueWidth) + e] * _v[Key(n, j, h, _case.ValueWidth) + e];
        }

        return sum;
    }

    private double Weight(int n, int h, int i)
    {
        double largest = 0;
        for (int j = 0; j < _case.Keys; j++)
        {
            largest = Math.Max(largest, _magnitudes[n, h, i, j]);
        }

        return (2 * (ErrorBound.Gamma(_case.KeyWidth + 4) + _rounding) * largest) + ErrorBound.Gamma((2 * _case.Keys) + 16) + _rounding;
    }

    private void ForEachWeight(Action<int, int, int, int, double> visit)
    {
        for (int n = 0; n < _case.Examples; n++)
        {
            for (int h = 0; h < _case.Heads; h++)
            {
                for (int i = 0; i < _case.Queries; i++)
                {
                    for (int j = 0; j < _case.Keys; j++)
                    {
                        visit(n, h, i, j, _weights[n, h, i, j]);
                    }
                }
            }
        }
    }

    private int Query(int n, int i, int h, int width) => AttentionReference.At(n, _case.Queries, i, _case.Heads, h, width);

    private int Key(int n, int j, int h, int width) => AttentionReference.At(n, _case.Keys, j, _case.Heads, h, width);
}
