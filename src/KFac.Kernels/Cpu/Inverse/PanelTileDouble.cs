using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary>float64 panels for the retry of matrices that fail in float32; the runtime's own vector width, on every device option.</summary>
internal readonly unsafe struct PanelTileDouble : IPanelTile<double>
{
    public static int Rows => 4;

    public static int Columns => 3 * Vector<double>.Count;

    public static int ThirdsOf(int columns) => 3;

    public static void Add(int thirds, int k, double* a, int strideA, double* b, double* c)
    {
        for (int row = 0; row < Rows; row += 2)
        {
            AddTwoRows(k, a + row, strideA, b, c + (row * Columns));
        }
    }

    public static void Forward(int thirds, double* u, double* y)
    {
        for (int i = 0; i < Rows; i++)
        {
            Scale(y + (i * Columns), u[(i * Rows) + i]);
            for (int j = i + 1; j < Rows; j++)
            {
                AddScaled(y + (j * Columns), u[(i * Rows) + j], y + (i * Columns));
            }
        }
    }

    public static void Backward(int thirds, double* u, double* y)
    {
        for (int i = Rows - 1; i >= 0; i--)
        {
            Scale(y + (i * Columns), u[(i * Rows) + i]);
            for (int j = 0; j < i; j++)
            {
                AddScaled(y + (j * Columns), u[(j * Rows) + i], y + (i * Columns));
            }
        }
    }

    public static void Transpose(double* source, long sourceStride, int rows, int columns, double* target, long targetStride)
    {
        for (int j = 0; j < columns; j++)
        {
            for (int i = 0; i < rows; i++)
            {
                target[(j * targetStride) + i] = source[(i * sourceStride) + j];
            }
        }
    }

    public static void Write(double* source, int count, float* target, bool pastCaches)
    {
        for (int j = 0; j < count; j++)
        {
            target[j] = (float)source[j];
        }
    }

    private static void AddScaled(double* y, double factor, double* x)
    {
        var scale = new Vector<double>(factor);
        for (int j = 0; j < Columns; j += Vector<double>.Count)
        {
            (Vector.Load(y + j) + (scale * Vector.Load(x + j))).Store(y + j);
        }
    }

    private static void Scale(double* y, double factor)
    {
        for (int j = 0; j < Columns; j += Vector<double>.Count)
        {
            (Vector.Load(y + j) * factor).Store(y + j);
        }
    }

    private static void AddTwoRows(int k, double* a, int strideA, double* b, double* c)
    {
        int width = Vector<double>.Count;
        double* next = c + Columns;
        Vector<double> c00 = Vector.Load(c), c01 = Vector.Load(c + width), c02 = Vector.Load(c + (2 * width));
        Vector<double> c10 = Vector.Load(next), c11 = Vector.Load(next + width), c12 = Vector.Load(next + (2 * width));
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

        c00.Store(c);
        c01.Store(c + width);
        c02.Store(c + (2 * width));
        c10.Store(next);
        c11.Store(next + width);
        c12.Store(next + (2 * width));
    }
}
