namespace KFac.Kernels.Cpu;

/// <summary>Sums over one contiguous row in float64, the same bits at any vector width.</summary>
internal static unsafe class RowSums
{
    private const int Sums = IWideSums<WideSums128>.Count;

    /// <summary><c>Σ x</c> and <c>Σ x²</c>.</summary>
    public static (double Sum, double Squares) OfSquares<TSums>(float* x, int count)
        where TSums : unmanaged, IWideSums<TSums>
    {
        SumPair<TSums> pair;
        int j = Add(x, count, &pair);
        (double sum, double squares) = (Total(pair.Sums), Total(pair.Products));
        for (; j < count; j++)
        {
            sum += x[j];
            squares += (double)x[j] * x[j];
        }

        return (sum, squares);
    }

    /// <summary><c>Σ h</c> and <c>Σ h∘x</c> with <c>h = gain∘y</c> in float32.</summary>
    public static (double Sum, double Product) OfScaled<TSums>(float* gain, float* y, float* x, int count)
        where TSums : unmanaged, IWideSums<TSums>
    {
        SumPair<TSums> pair;
        int j = AddScaled(gain, y, x, count, &pair);
        (double sum, double product) = (Total(pair.Sums), Total(pair.Products));
        for (; j < count; j++)
        {
            float h = gain[j] * y[j];
            sum += h;
            product += (double)h * x[j];
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

        double product = Total(products);
        for (; j < count; j++)
        {
            product += (double)x[j] * y[j];
        }

        return product;
    }

    /// <summary>All sums added, four chains beside each other.</summary>
    /// <remarks>Takes a copy: a sum whose address is taken would live in memory, in the loop before too.</remarks>
    public static double Total<TSums>(TSums sums)
        where TSums : unmanaged
    {
        double* s = (double*)&sums;
        double total0 = 0, total1 = 0, total2 = 0, total3 = 0;
        for (int i = 0; i < Sums; i += 4)
        {
            total0 += s[i];
            total1 += s[i + 1];
            total2 += s[i + 2];
            total3 += s[i + 3];
        }

        return total0 + total1 + (total2 + total3);
    }

    // Loops without calls: sums that outlive a call are written to memory whenever they change.
    private static int Add<TSums>(float* x, int count, SumPair<TSums>* result)
        where TSums : unmanaged, IWideSums<TSums>
    {
        TSums sums = default;
        TSums squares = default;
        int j = 0;
        for (; j + Sums <= count; j += Sums)
        {
            TSums.AddSquare(ref sums, ref squares, x + j);
        }

        (result->Sums, result->Products) = (sums, squares);
        return j;
    }

    private static int AddScaled<TSums>(float* gain, float* y, float* x, int count, SumPair<TSums>* result)
        where TSums : unmanaged, IWideSums<TSums>
    {
        TSums sums = default;
        TSums products = default;
        int j = 0;
        for (; j + Sums <= count; j += Sums)
        {
            TSums.AddScaled(ref sums, ref products, gain + j, y + j, x + j);
        }

        (result->Sums, result->Products) = (sums, products);
        return j;
    }

    private struct SumPair<TSums>
        where TSums : unmanaged
    {
        public TSums Sums;
        public TSums Products;
    }
}
