namespace KFac.Reference;

/// <summary>The largest of the rows that entries name, and where its gradient goes.</summary>
public static class SparseMaximumReference
{
    /// <summary>Maxima and the row that each came from, −1 where there is none; the first of equal ones.</summary>
    public static (double[] Maxima, int[] Winners) Forward(int rows, (int Row, int Column)[] entries, double[] x, int width)
    {
        var maxima = new double[rows * width];
        var winners = new int[rows * width];
        Array.Fill(winners, -1);
        foreach ((int row, int column) in entries)
        {
            for (int j = 0; j < width; j++)
            {
                double value = x[(column * width) + j];
                ref double best = ref maxima[(row * width) + j];
                ref int winner = ref winners[(row * width) + j];
                if (winner < 0 || value > best || (double.IsNaN(value) && !double.IsNaN(best)))
                {
                    (best, winner) = (value, column);
                }
            }
        }

        return (maxima, winners);
    }

    /// <summary><c>∂x[winner] += ∂y</c> onto <c>beta·∂x</c>, block by block.</summary>
    public static double[] Backward(int columns, int[] winners, double[] outputGradient, int width, double beta, double[] inputGradient)
    {
        double[] result = Array.ConvertAll(inputGradient, value => beta == 0 ? 0 : beta * value);
        for (int i = 0; i < outputGradient.Length; i++)
        {
            int winner = winners[i % winners.Length];
            if (winner >= 0)
            {
                result[(((i / winners.Length * columns) + winner) * width) + (i % width)] += outputGradient[i];
            }
        }

        return result;
    }
}
