namespace KFac.Reference;

/// <summary>A tensor with its dimensions in another order, element by element.</summary>
public static class PermuteReference
{
    /// <summary>Dimension k of the result is dimension <c>order[k]</c> of x.</summary>
    public static T[] Run<T>(T[] x, int[] sizes, int[] order)
    {
        var y = new T[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            var index = new int[sizes.Length];
            for (int d = sizes.Length - 1, rest = i; d >= 0; rest /= sizes[d], d--)
            {
                index[d] = rest % sizes[d];
            }

            int place = 0;
            foreach (int d in order)
            {
                place = (place * sizes[d]) + index[d];
            }

            y[place] = x[i];
        }

        return y;
    }
}
