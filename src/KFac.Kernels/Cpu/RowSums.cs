namespace KFac.Kernels.Cpu;

/// <summary>Sums over one contiguous row in float64, the same bits at any vector width.</summary>
internal static unsafe class RowSums
{
    private const int Sums = IWideSums<WideSums128>.Count;

    /// <summary><c>Σ x</c> and <c>Σ x∘y</c>.</summary>
    public static (double Sum, double Product) Of<TSums>(float* x, float* y, int count)
        where TSums : unmanaged, IWideSums<TSums>
    {
        TSums sums = default;
        TSums products = default;
        int j = 0;
        for (; j + Sums <= count; j += Sums)
        {
            TSums.Add(ref sums, x + j);
            TSums.AddProduct(ref products, x + j, y + j);
        }

        double sum = Total(&sums);
        double product = Total(&products);
        for (; j < count; j++)
        {
            sum += x[j];
            product += (double)x[j] * y[j];
        }

        return (sum, product);
    }

    /// <summary><c>Σ x∘y</c>.</summary>
    public static double Dot<TSums>(float* x, float* y, int count)
        where TSums : unmanaged, IWideSums<TSums>
    {
        TSums products = default;
        int j = 0;
        for (; j + Sums <= count; j += Sums)
        {
            TSums.AddProduct(ref products, x + j, y + j);
        }

        double product = Total(&products);
        for (; j < count; j++)
        {
            product += (double)x[j] * y[j];
        }

        return product;
    }

    private static double Total<TSums>(TSums* sums)
        where TSums : unmanaged
    {
        double total = 0;
        for (int i = 0; i < Sums; i++)
        {
            total += ((double*)sums)[i];
        }

        return total;
    }
}
