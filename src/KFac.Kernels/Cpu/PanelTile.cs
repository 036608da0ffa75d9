using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>What the triangular kernels do with packed panels of <see cref="Columns"/> columns: the register-tile product, and row operations.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal unsafe interface IPanelTile<T>
    where T : unmanaged
{
    /// <summary>Rows of a tile; divides <see cref="Columns"/>.</summary>
    static abstract int Rows { get; }

    /// <summary>Columns of a tile and width of a panel; divides <see cref="PanelSolve.Depth"/>.</summary>
    static abstract int Columns { get; }

    /// <inheritdoc cref="IGemmTile.Multiply"/>
    static abstract void Multiply(int k, T* a, int strideA, T* b, T alpha, T beta, T* c, long ldc);

    /// <summary><c>y ← y − factor·x</c>, one panel row.</summary>
    static abstract void SubtractScaled(T* y, T factor, T* x);

    /// <summary><c>y ← factor·y</c>, one panel row.</summary>
    static abstract void Scale(T* y, T factor);
}

/// <summary>float32 panels on the register tile of the matrix product.</summary>
internal readonly unsafe struct PanelTile<TTile, TSimd, TVector> : IPanelTile<float>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Rows => TTile.Rows;

    public static int Columns => TTile.Columns;

    public static void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc) =>
        TTile.Multiply(k, a, strideA, b, alpha, beta, c, ldc);

    public static void SubtractScaled(float* y, float factor, float* x)
    {
        TVector scale = TSimd.Create(-factor);
        for (int j = 0; j < TTile.Columns; j += TSimd.Count)
        {
            TSimd.Store(TSimd.MultiplyAdd(scale, TSimd.Load(x + j), TSimd.Load(y + j)), y + j);
        }
    }

    public static void Scale(float* y, float factor)
    {
        TVector scale = TSimd.Create(factor);
        for (int j = 0; j < TTile.Columns; j += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(scale, TSimd.Load(y + j)), y + j);
        }
    }
}

/// <summary>float64 panels for the retry of matrices that fail in float32; the runtime's own vector width, on every device option.</summary>
internal readonly unsafe struct PanelTileDouble : IPanelTile<double>
{
    public static int Rows => 4;

    public static int Columns => 3 * Vector<double>.Count;

    public static void Multiply(int k, double* a, int strideA, double* b, double alpha, double beta, double* c, long ldc)
    {
        for (int row = 0; row < Rows; row += 2)
        {
            MultiplyRows(k, a + row, strideA, b, alpha, beta, c + (row * ldc), ldc);
        }
    }

    public static void SubtractScaled(double* y, double factor, double* x)
    {
        var scale = new Vector<double>(factor);
        for (int j = 0; j < Columns; j += Vector<double>.Count)
        {
            (Vector.Load(y + j) - (scale * Vector.Load(x + j))).Store(y + j);
        }
    }

    public static void Scale(double* y, double factor)
    {
        for (int j = 0; j < Columns; j += Vector<double>.Count)
        {
            (Vector.Load(y + j) * factor).Store(y + j);
        }
    }

    private static void MultiplyRows(int k, double* a, int strideA, double* b, double alpha, double beta, double* c, long ldc)
    {
        int width = Vector<double>.Count;
        Vector<double> c00 = default, c01 = default, c02 = default, c10 = default, c11 = default, c12 = default;
        for (int step = 0; step < k; step++)
        {
            Vector<double> b0 = Vector.Load(b);
            Vector<double> b1 = Vector.Load(b + width);
            Vector<double> b2 = Vector.Load(b + (2 * width));
            var x = new Vector<double>(a[0]);
            c00 = Vector.MultiplyAddEstimate(x, b0, c00);
            c01 = Vector.MultiplyAddEstimate(x, b1, c01);
            c02 = Vector.MultiplyAddEstimate(x, b2, c02);
            x = new Vector<double>(a[1]);
            c10 = Vector.MultiplyAddEstimate(x, b0, c10);
            c11 = Vector.MultiplyAddEstimate(x, b1, c11);
            c12 = Vector.MultiplyAddEstimate(x, b2, c12);
            a += strideA;
            b += Columns;
        }

        Write(c, alpha, beta, c00, c01, c02);
        Write(c + ldc, alpha, beta, c10, c11, c12);
    }

    private static void Write(double* c, double alpha, double beta, Vector<double> v0, Vector<double> v1, Vector<double> v2)
    {
        int width = Vector<double>.Count;
        ((alpha * v0) + (beta * Vector.Load(c))).Store(c);
        ((alpha * v1) + (beta * Vector.Load(c + width))).Store(c + width);
        ((alpha * v2) + (beta * Vector.Load(c + (2 * width)))).Store(c + (2 * width));
    }
}
