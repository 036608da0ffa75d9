using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Draws the initial weights of linear layers from Philox: the same on every device.</summary>
internal static class WeightInitializer
{
    private const int SparseConnections = 15;

    /// <summary>Fills a layer's weights and zeroes its bias.</summary>
    /// <param name="key">A sequence for this layer alone.</param>
    public static void Run(DeviceStream stream, PhiloxKey key, LinearParameter parameter)
    {
        (int inputs, int outputs) = (parameter.Layer.InputWidth, parameter.Layer.OutputWidth);
        float[] weights = parameter.WeightInitialization switch
        {
            _ when parameter.Initialization.StandardDeviation > 0 =>
                Scaled(Normal(stream, key, inputs * outputs), parameter.Initialization.StandardDeviation, 0),
            WeightInitialization.He => Scaled(Normal(stream, key, inputs * outputs), Math.Sqrt(2.0 / inputs), 0),
            WeightInitialization.Glorot => Glorot(stream, key, inputs, outputs),
            WeightInitialization.Zero => new float[inputs * outputs],
            _ => Sparse(stream, key, inputs, outputs),
        };
        stream.Upload<float>(weights, parameter.Weight);
        if (parameter.Layer.HasBias)
        {
            Elementwise.Fill(stream, 0f, parameter.Bias);
        }
    }

    private static float[] Glorot(DeviceStream stream, PhiloxKey key, int inputs, int outputs)
    {
        double limit = Math.Sqrt(6.0 / (inputs + outputs));
        return Scaled(Uniform(stream, key, inputs * outputs), 2 * limit, -limit);
    }

    /// <summary>The first 15 steps of a Fisher-Yates shuffle choose each output's inputs.</summary>
    private static float[] Sparse(DeviceStream stream, PhiloxKey key, int inputs, int outputs)
    {
        int connections = Math.Min(SparseConnections, inputs);
        float[] values = Normal(stream, key, outputs * connections);
        float[] choices = Uniform(stream, key with { Sequence = ~key.Sequence }, outputs * connections);
        var weights = new float[inputs * outputs];
        int[] order = [.. Enumerable.Range(0, inputs)];
        for (int row = 0; row < outputs; row++)
        {
            for (int i = 0; i < connections; i++)
            {
                int draw = (row * connections) + i;
                int chosen = i + (int)(choices[draw] * (inputs - i));
                (order[i], order[chosen]) = (order[chosen], order[i]);
                weights[(row * inputs) + order[i]] = values[draw];
            }
        }

        return weights;
    }

    private static float[] Scaled(float[] values, double scale, double shift)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)((values[i] * scale) + shift);
        }

        return values;
    }

    private static float[] Normal(DeviceStream stream, PhiloxKey key, int count)
    {
        using var arena = new Arena(stream.Device);
        VectorView<float> numbers = arena.Vector<float>(count);
        Philox.Normal(stream, key, 0, numbers);
        return Download(stream, numbers);
    }

    private static float[] Uniform(DeviceStream stream, PhiloxKey key, int count)
    {
        using var arena = new Arena(stream.Device);
        VectorView<float> numbers = arena.Vector<float>(count);
        Philox.Uniform(stream, key, 0, numbers);
        return Download(stream, numbers);
    }

    private static float[] Download(DeviceStream stream, VectorView<float> numbers)
    {
        var values = new float[numbers.Length];
        stream.Download(numbers, values);
        return values;
    }
}
