namespace KFac.Kernels.Cpu;

/// <summary>Triangular solves with the small triangle U of one slice, in registers: <c>Y ← −U⁻ᵀ·Y</c> and <c>Y ← −U⁻¹·Y</c>.</summary>
/// <remarks>U is row-major without gaps; its diagonal holds <c>−1/uᵢᵢ</c>, so that a row costs one product and the rows that
/// depend on it one multiply-add each. Y has the width of a panel and is taken a vector of columns at a time, all rows of it
/// in registers; the thirds of a panel are independent, so that the processor overlaps their chains.</remarks>
internal static unsafe class PanelSubstitution<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private static int Stride => 3 * TSimd.Count;

    /// <summary><c>Y ← −U⁻ᵀ·Y</c>.</summary>
    /// <param name="rows">8 or 4.</param>
    /// <param name="thirds">Vectors of columns that count.</param>
    public static void Forward(int rows, int thirds, float* u, float* y)
    {
        for (int j = 0; j < thirds * TSimd.Count; j += TSimd.Count)
        {
            if (rows == 8)
            {
                ForwardEight(u, y + j);
            }
            else
            {
                ForwardFour(u, y + j);
            }
        }
    }

    /// <summary><c>Y ← −U⁻¹·Y</c>.</summary>
    /// <param name="rows">8 or 4.</param>
    /// <param name="thirds">Vectors of columns that count.</param>
    public static void Backward(int rows, int thirds, float* u, float* y)
    {
        for (int j = 0; j < thirds * TSimd.Count; j += TSimd.Count)
        {
            if (rows == 8)
            {
                BackwardEight(u, y + j);
            }
            else
            {
                BackwardFour(u, y + j);
            }
        }
    }

    private static void ForwardEight(float* u, float* y)
    {
        TVector y0 = TSimd.Load(y), y1 = TSimd.Load(y + Stride), y2 = TSimd.Load(y + (2 * Stride)), y3 = TSimd.Load(y + (3 * Stride));
        TVector y4 = TSimd.Load(y + (4 * Stride)), y5 = TSimd.Load(y + (5 * Stride)), y6 = TSimd.Load(y + (6 * Stride)), y7 = TSimd.Load(y + (7 * Stride));
        y0 = TSimd.Multiply(TSimd.Create(u[0]), y0);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[1]), y0, y1);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[2]), y0, y2);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[3]), y0, y3);
        y4 = TSimd.MultiplyAdd(TSimd.Create(u[4]), y0, y4);
        y5 = TSimd.MultiplyAdd(TSimd.Create(u[5]), y0, y5);
        y6 = TSimd.MultiplyAdd(TSimd.Create(u[6]), y0, y6);
        y7 = TSimd.MultiplyAdd(TSimd.Create(u[7]), y0, y7);
        TSimd.Store(y0, y);
        y1 = TSimd.Multiply(TSimd.Create(u[9]), y1);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[10]), y1, y2);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[11]), y1, y3);
        y4 = TSimd.MultiplyAdd(TSimd.Create(u[12]), y1, y4);
        y5 = TSimd.MultiplyAdd(TSimd.Create(u[13]), y1, y5);
        y6 = TSimd.MultiplyAdd(TSimd.Create(u[14]), y1, y6);
        y7 = TSimd.MultiplyAdd(TSimd.Create(u[15]), y1, y7);
        TSimd.Store(y1, y + Stride);
        y2 = TSimd.Multiply(TSimd.Create(u[18]), y2);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[19]), y2, y3);
        y4 = TSimd.MultiplyAdd(TSimd.Create(u[20]), y2, y4);
        y5 = TSimd.MultiplyAdd(TSimd.Create(u[21]), y2, y5);
        y6 = TSimd.MultiplyAdd(TSimd.Create(u[22]), y2, y6);
        y7 = TSimd.MultiplyAdd(TSimd.Create(u[23]), y2, y7);
        TSimd.Store(y2, y + (2 * Stride));
        y3 = TSimd.Multiply(TSimd.Create(u[27]), y3);
        y4 = TSimd.MultiplyAdd(TSimd.Create(u[28]), y3, y4);
        y5 = TSimd.MultiplyAdd(TSimd.Create(u[29]), y3, y5);
        y6 = TSimd.MultiplyAdd(TSimd.Create(u[30]), y3, y6);
        y7 = TSimd.MultiplyAdd(TSimd.Create(u[31]), y3, y7);
        TSimd.Store(y3, y + (3 * Stride));
        y4 = TSimd.Multiply(TSimd.Create(u[36]), y4);
        y5 = TSimd.MultiplyAdd(TSimd.Create(u[37]), y4, y5);
        y6 = TSimd.MultiplyAdd(TSimd.Create(u[38]), y4, y6);
        y7 = TSimd.MultiplyAdd(TSimd.Create(u[39]), y4, y7);
        TSimd.Store(y4, y + (4 * Stride));
        y5 = TSimd.Multiply(TSimd.Create(u[45]), y5);
        y6 = TSimd.MultiplyAdd(TSimd.Create(u[46]), y5, y6);
        y7 = TSimd.MultiplyAdd(TSimd.Create(u[47]), y5, y7);
        TSimd.Store(y5, y + (5 * Stride));
        y6 = TSimd.Multiply(TSimd.Create(u[54]), y6);
        y7 = TSimd.MultiplyAdd(TSimd.Create(u[55]), y6, y7);
        TSimd.Store(y6, y + (6 * Stride));
        y7 = TSimd.Multiply(TSimd.Create(u[63]), y7);
        TSimd.Store(y7, y + (7 * Stride));
    }

    private static void BackwardEight(float* u, float* y)
    {
        TVector y0 = TSimd.Load(y), y1 = TSimd.Load(y + Stride), y2 = TSimd.Load(y + (2 * Stride)), y3 = TSimd.Load(y + (3 * Stride));
        TVector y4 = TSimd.Load(y + (4 * Stride)), y5 = TSimd.Load(y + (5 * Stride)), y6 = TSimd.Load(y + (6 * Stride)), y7 = TSimd.Load(y + (7 * Stride));
        y7 = TSimd.Multiply(TSimd.Create(u[63]), y7);
        y6 = TSimd.MultiplyAdd(TSimd.Create(u[55]), y7, y6);
        y5 = TSimd.MultiplyAdd(TSimd.Create(u[47]), y7, y5);
        y4 = TSimd.MultiplyAdd(TSimd.Create(u[39]), y7, y4);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[31]), y7, y3);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[23]), y7, y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[15]), y7, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[7]), y7, y0);
        TSimd.Store(y7, y + (7 * Stride));
        y6 = TSimd.Multiply(TSimd.Create(u[54]), y6);
        y5 = TSimd.MultiplyAdd(TSimd.Create(u[46]), y6, y5);
        y4 = TSimd.MultiplyAdd(TSimd.Create(u[38]), y6, y4);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[30]), y6, y3);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[22]), y6, y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[14]), y6, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[6]), y6, y0);
        TSimd.Store(y6, y + (6 * Stride));
        y5 = TSimd.Multiply(TSimd.Create(u[45]), y5);
        y4 = TSimd.MultiplyAdd(TSimd.Create(u[37]), y5, y4);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[29]), y5, y3);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[21]), y5, y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[13]), y5, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[5]), y5, y0);
        TSimd.Store(y5, y + (5 * Stride));
        y4 = TSimd.Multiply(TSimd.Create(u[36]), y4);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[28]), y4, y3);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[20]), y4, y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[12]), y4, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[4]), y4, y0);
        TSimd.Store(y4, y + (4 * Stride));
        y3 = TSimd.Multiply(TSimd.Create(u[27]), y3);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[19]), y3, y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[11]), y3, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[3]), y3, y0);
        TSimd.Store(y3, y + (3 * Stride));
        y2 = TSimd.Multiply(TSimd.Create(u[18]), y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[10]), y2, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[2]), y2, y0);
        TSimd.Store(y2, y + (2 * Stride));
        y1 = TSimd.Multiply(TSimd.Create(u[9]), y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[1]), y1, y0);
        TSimd.Store(y1, y + Stride);
        y0 = TSimd.Multiply(TSimd.Create(u[0]), y0);
        TSimd.Store(y0, y);
    }

    private static void ForwardFour(float* u, float* y)
    {
        TVector y0 = TSimd.Load(y), y1 = TSimd.Load(y + Stride), y2 = TSimd.Load(y + (2 * Stride)), y3 = TSimd.Load(y + (3 * Stride));
        y0 = TSimd.Multiply(TSimd.Create(u[0]), y0);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[1]), y0, y1);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[2]), y0, y2);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[3]), y0, y3);
        TSimd.Store(y0, y);
        y1 = TSimd.Multiply(TSimd.Create(u[5]), y1);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[6]), y1, y2);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[7]), y1, y3);
        TSimd.Store(y1, y + Stride);
        y2 = TSimd.Multiply(TSimd.Create(u[10]), y2);
        y3 = TSimd.MultiplyAdd(TSimd.Create(u[11]), y2, y3);
        TSimd.Store(y2, y + (2 * Stride));
        y3 = TSimd.Multiply(TSimd.Create(u[15]), y3);
        TSimd.Store(y3, y + (3 * Stride));
    }

    private static void BackwardFour(float* u, float* y)
    {
        TVector y0 = TSimd.Load(y), y1 = TSimd.Load(y + Stride), y2 = TSimd.Load(y + (2 * Stride)), y3 = TSimd.Load(y + (3 * Stride));
        y3 = TSimd.Multiply(TSimd.Create(u[15]), y3);
        y2 = TSimd.MultiplyAdd(TSimd.Create(u[11]), y3, y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[7]), y3, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[3]), y3, y0);
        TSimd.Store(y3, y + (3 * Stride));
        y2 = TSimd.Multiply(TSimd.Create(u[10]), y2);
        y1 = TSimd.MultiplyAdd(TSimd.Create(u[6]), y2, y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[2]), y2, y0);
        TSimd.Store(y2, y + (2 * Stride));
        y1 = TSimd.Multiply(TSimd.Create(u[5]), y1);
        y0 = TSimd.MultiplyAdd(TSimd.Create(u[1]), y1, y0);
        TSimd.Store(y1, y + Stride);
        y0 = TSimd.Multiply(TSimd.Create(u[0]), y0);
        TSimd.Store(y0, y);
    }
}
