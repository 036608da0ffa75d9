namespace KFac.Reference;

/// <summary>Rows picked from a table by index, and added back to it, in float64.</summary>
public static class RowGatherReference
{
    /// <summary><c>y_n = table[index_n]</c>; zeros for −1, NaN for any other index without a row.</summary>
    public static double[] Gather(double[] table, int columns, int[] indices)
    {
        var y = new double[indices.Length * columns];
        for (int i = 0; i < y.Length; i++)
        {
            int index = indices[i / columns];
            bool exists = index >= 0 && (index + 1) * columns <= table.Length;
            y[i] = exists ? table[(index * columns) + (i % columns)] : index == -1 ? 0 : double.NaN;
        }

        return y;
    }

    /// <summary><c>beta·table_v + Σ x_n</c> over the n with index v.</summary>
    public static double[] ScatterAdd(double[] x, int columns, int[] indices, double beta, double[] table)
    {
        double[] sum = Array.ConvertAll(table, value => beta == 0 ? 0 : beta * value);
        for (int i = 0; i < x.Length; i++)
        {
            int index = indices[i / columns];
            if (index >= 0 && (index + 1) * columns <= table.Length)
            {
                sum[(index * columns) + (i % columns)] += x[i];
            }
        }

        return sum;
    }
}
