namespace KFac.Reference;

/// <summary>Batch normalisation in float64, column by column and group by group.</summary>
public static class BatchNormReference
{
    /// <summary>Mean and <c>1/√(σ² + ε)</c> of each group's rows of each column, [group][column].</summary>
    public static (double Mean, double Scale)[,] Statistics(double[] x, int columns, int groupRows, double epsilon)
    {
        int rows = columns == 0 ? 0 : x.Length / columns;
        var result = new (double, double)[(rows + groupRows - 1) / groupRows, columns];
        for (int group = 0; group < result.GetLength(0); group++)
        {
            for (int column = 0; column < columns; column++)
            {
                double[] values = Column(x, columns, column, group * groupRows, Math.Min(rows, (group + 1) * groupRows));
                double mean = values.Average();
                double variance = values.Average(value => (value - mean) * (value - mean));
                result[group, column] = (mean, 1 / Math.Sqrt(variance + epsilon));
            }
        }

        return result;
    }

    /// <summary>x̂.</summary>
    public static double[] Normalize(double[] x, int columns, int groupRows, double epsilon)
    {
        (double Mean, double Scale)[,] statistics = Statistics(x, columns, groupRows, epsilon);
        return [.. x.Select((value, i) =>
        {
            (double mean, double scale) = statistics[i / columns / groupRows, i % columns];
            return (value - mean) * scale;
        })];
    }

    /// <summary>y = gain∘x̂ + bias.</summary>
    public static double[] Forward(double[] x, double[] gain, double[] bias, int groupRows, double epsilon)
    {
        double[] normal = Normalize(x, gain.Length, groupRows, epsilon);
        return [.. normal.Select((value, i) => (value * gain[i % gain.Length]) + bias[i % gain.Length])];
    }

    /// <summary>∂x of ∂y, seed by seed.</summary>
    public static double[] Backward(double[] x, double[] gain, double[] dy, int groupRows, double epsilon)
    {
        int columns = gain.Length;
        (double Mean, double Scale)[,] statistics = Statistics(x, columns, groupRows, epsilon);
        double[] normal = Normalize(x, columns, groupRows, epsilon);
        var dx = new double[dy.Length];
        for (int i = 0; i < dy.Length; i++)
        {
            int seed = i / x.Length * x.Length;
            (int row, int column) = ((i - seed) / columns, i % columns);
            int first = row / groupRows * groupRows;
            int end = Math.Min(x.Length / columns, first + groupRows);
            double mean = 0, projection = 0;
            for (int other = first; other < end; other++)
            {
                int element = (other * columns) + column;
                mean += dy[seed + element] / (end - first);
                projection += dy[seed + element] * normal[element] / (end - first);
            }

            dx[i] = gain[column] * statistics[row / groupRows, column].Scale * (dy[i] - mean - (normal[i - seed] * projection));
        }

        return dx;
    }

    private static double[] Column(double[] x, int columns, int column, int first, int end) =>
        [.. Enumerable.Range(first, end - first).Select(row => x[(row * columns) + column])];
}
