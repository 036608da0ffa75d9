namespace KFac.Reference;

/// <summary>Forward passes of layers in float64, row-major, straight from their equations.</summary>
public static class NetworkFunctions
{
    /// <summary><c>Y = X·Wᵀ (+ b)</c>: x [rows, inputs], block [outputs, inputs] or [outputs, inputs + 1] with the bias last.</summary>
    public static double[] Linear(double[] x, int inputs, ReadOnlySpan<double> block, int outputs, bool bias)
    {
        int rows = x.Length / inputs;
        int stride = inputs + (bias ? 1 : 0);
        var y = new double[rows * outputs];
        for (int n = 0; n < rows; n++)
        {
            for (int o = 0; o < outputs; o++)
            {
                double sum = bias ? block[(o * stride) + inputs] : 0;
                for (int i = 0; i < inputs; i++)
                {
                    sum += x[(n * inputs) + i] * block[(o * stride) + i];
                }

                y[(n * outputs) + o] = sum;
            }
        }

        return y;
    }

    public static double[] Map(double[] x, Func<double, double> function) => Array.ConvertAll(x, v => function(v));

    public static double Relu(double x) => Math.Max(x, 0);

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>x·Φ(x).</summary>
    public static double Gelu(double x) => x * NormalDistribution(x);

    /// <summary>Φ(x) = ½ + φ(x)·(x + x³/3 + x⁵/15 + …).</summary>
    public static double NormalDistribution(double x)
    {
        if (Math.Abs(x) > 8)
        {
            return x > 0 ? 1 : 0;
        }

        double term = x;
        double sum = x;
        for (int k = 3; Math.Abs(term) > 1e-18 * Math.Abs(sum); k += 2)
        {
            term *= x * x / k;
            sum += term;
        }

        return 0.5 + (sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI));
    }

    public static double[] Add(double[] x, double[] y)
    {
        var sum = new double[x.Length];
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] = x[i] + y[i];
        }

        return sum;
    }

    /// <summary>Zero where a Philox number of the sequence is below the rate, else <c>x/(1 − rate)</c>.</summary>
    public static double[] Dropout(double[] x, double rate, ulong seed, ulong sequence) =>
        [.. x.Select((v, i) => PhiloxReference.Uniform(PhiloxReference.Word(seed, sequence, (ulong)i)) < rate ? 0 : v / (1 - rate))];

    /// <summary>x [examples·sharing, width] to scale·Σ over each example's rows, [examples, width].</summary>
    public static double[] Aggregate(double[] x, int sharing, int width, double scale)
    {
        var y = new double[x.Length / sharing];
        for (int i = 0; i < x.Length; i++)
        {
            y[(i / (sharing * width) * width) + (i % width)] += scale * x[i];
        }

        return y;
    }

    /// <summary>(Q·Kᵀ)·V for each of the examples stacked in the rows.</summary>
    public static double[] SelfAttention(double[] q, double[] k, double[] v, int sequence, int keyWidth, int valueWidth)
    {
        var y = new double[v.Length];
        for (int row = 0; row < q.Length / keyWidth; row++)
        {
            int first = row / sequence * sequence;
            for (int other = first; other < first + sequence; other++)
            {
                double score = 0;
                for (int i = 0; i < keyWidth; i++)
                {
                    score += q[(row * keyWidth) + i] * k[(other * keyWidth) + i];
                }

                for (int i = 0; i < valueWidth; i++)
                {
                    y[(row * valueWidth) + i] += score * v[(other * valueWidth) + i];
                }
            }
        }

        return y;
    }
}
