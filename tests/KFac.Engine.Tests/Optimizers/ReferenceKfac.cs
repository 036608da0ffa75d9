using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;

namespace KFac.Engine.Tests;

/// <summary>K-FAC on a <see cref="FakeModel"/> in float64: every formula straight from the numerical conventions.</summary>
internal sealed class ReferenceKfac(Device device, FakeModel model, ParameterSet parameters, KfacOptions options)
{
    private readonly double[][] _averageA = new double[model.Layers.Count][];
    private readonly double[][] _averageB = new double[model.Layers.Count][];
    private readonly double[] _velocity = new double[parameters.Values.Length];
    private readonly double[] _secondMoment = new double[parameters.Values.Length];
    private int _updates;

    public double[] Parameters { get; } = TestData.ToDouble(device.Read(parameters.Values));

    public bool HasClipped { get; private set; }

    public void Step(double[] gradient, double rate)
    {
        _updates++;
        double[] direction = [.. gradient];
        double product = 0;
        foreach (ParameterBlock block in parameters.Blocks.Where(block => block.Layer >= 0))
        {
            double[] own = gradient[block.Offset..(block.Offset + (block.Rows * block.Columns))];
            double[] preconditioned = Precondition(block, own);
            product += own.Zip(preconditioned, (g, u) => g * u).Sum();
            preconditioned.CopyTo(direction, block.Offset);
        }

        if (options.KlClip is { } clip)
        {
            double scale = Math.Min(1, Math.Sqrt(clip / (rate * rate * product)));
            HasClipped |= scale < 1;
            ParameterBlock last = parameters.Blocks.Last(block => block.Layer >= 0);
            for (int i = 0; i < last.Offset + (last.Rows * last.Columns); i++)
            {
                direction[i] *= scale;
            }
        }

        foreach (ParameterBlock block in parameters.Blocks.Where(block => block.Layer < 0))
        {
            Others(block, gradient).CopyTo(direction, block.Offset);
        }

        FirstOrderRules.Momentum(
            Parameters, direction, _velocity, rate, options.Momentum, options.WeightDecay, options.Nesterov);
    }

    /// <summary>Plain, or over the root of the corrected second moment: a step of Adam from 0 without first moment.</summary>
    private double[] Others(ParameterBlock block, double[] gradient)
    {
        OtherParameterOptions rule = options.OtherParameters;
        Range range = block.Offset..(block.Offset + (block.Rows * block.Columns));
        double[] own = gradient[range];
        if (rule.Rule == OtherParameterRule.FirstOrder)
        {
            return [.. own.Select(value => rule.Rate * value)];
        }

        var result = new double[own.Length];
        double[] second = _secondMoment[range];
        FirstOrderRules.Adam(result, own, new double[own.Length], second, _updates, -rule.Rate, 0, rule.SecondMomentDecay, rule.Epsilon, 0, false);
        second.CopyTo(_secondMoment, block.Offset);
        return result;
    }

    private double[] Precondition(ParameterBlock block, double[] gradient)
    {
        int n = block.Columns;
        int m = block.Rows;
        double[] a = Average(_averageA, block.Layer, BatchA(block.Layer));
        double[] b = Average(_averageB, block.Layer, BatchB(block.Layer));
        double damping = options.Damping;
        double pi = Preconditioning.Pi(a, n, b, m);
        return options.Style switch
        {
            DampingStyle.Product => Preconditioning.Dense(a, n, b, m, gradient, damping),
            DampingStyle.PerFactor => Preconditioning.Factored(a, n, damping, b, m, damping, gradient),
            _ => Preconditioning.Factored(a, n, pi * Math.Sqrt(damping), b, m, Math.Sqrt(damping) / pi, gradient),
        };
    }

    private double[] Average(double[][] averages, int layer, double[] batch)
    {
        double m = options.MovingAverage;
        double[] old = averages[layer] ?? new double[batch.Length];
        averages[layer] = [.. old.Zip(batch, (average, value) => (m * average) + ((1 - m) * value))];
        return [.. averages[layer].Select(value => value / (1 - Math.Pow(m, _updates)))];
    }

    private double[] BatchA(int layer)
    {
        LayerRows rows = model.Inputs[layer].Single();
        return Factors(rows).Input(device.ReadDouble(rows.Rows), model.Layers[layer].InputWidth, model.Layers[layer].HasBias);
    }

    private double[] BatchB(int layer)
    {
        LayerRows rows = model.Gradients[layer].Single();
        double[] sum = Factors(rows).Output(
            device.ReadDouble(rows.Rows), model.Layers[layer].OutputWidth, rows.Seeds, rows.Scale, options.Samples);
        int width = model.Layers[layer].OutputWidth;
        bool diagonal = model.Layers[layer].HasDiagonalOutput;
        return [.. sum.Select((value, i) => diagonal && i % (width + 1) != 0 ? 0 : value / model.LossTerms)];
    }

    private static Reference.KroneckerFactors Factors(LayerRows rows) =>
        new([.. Enumerable.Range(0, rows.Examples + 1)], IsRagged: false, Reduces: false);
}
