using KFac.Kernels;
using KFac.Testing;

namespace KFac.Engine.Tests;

/// <summary>Between host arrays and device matrices.</summary>
internal static class DeviceMatrix
{
    public static MatrixView<float> Upload(this Arena arena, int rows, int columns, ReadOnlySpan<float> values)
    {
        MatrixView<float> matrix = arena.Matrix<float>(rows, columns);
        arena.Device.DefaultStream.Upload(values, matrix);
        return matrix;
    }

    public static float[] Read(this Device device, MatrixView<float> matrix)
    {
        var values = new float[matrix.Rows * matrix.Columns];
        device.DefaultStream.Download(matrix, values);
        return values;
    }

    public static float[] Read(this Device device, VectorView<float> vector) => device.Read(vector.AsMatrix(1, vector.Length));

    public static double[] ReadDouble(this Device device, MatrixView<float> matrix) => TestData.ToDouble(device.Read(matrix));

    /// <summary>A symmetric positive definite matrix: XᵀX/n of uniform X plus <paramref name="ridge"/> on the diagonal.</summary>
    public static float[] Spd(int n, ulong seed, float ridge = 0.1f)
    {
        double[] x = TestData.ToDouble(TestData.Uniform(n * n, seed));
        var result = new float[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = 0;
                for (int k = 0; k < n; k++)
                {
                    sum += x[(k * n) + i] * x[(k * n) + j];
                }

                result[(i * n) + j] = result[(j * n) + i] = (float)(sum / n) + (i == j ? ridge : 0);
            }
        }

        return result;
    }

    public static float[] Diagonal(params float[] diagonal)
    {
        var result = new float[diagonal.Length * diagonal.Length];
        for (int i = 0; i < diagonal.Length; i++)
        {
            result[(i * diagonal.Length) + i] = diagonal[i];
        }

        return result;
    }

    /// <summary>Tolerances of <paramref name="relative"/> times the reference's largest magnitude.</summary>
    public static double[] RelativeToLargest(double[] reference, double relative)
    {
        double largest = reference.Length == 0 ? 0 : reference.Max(Math.Abs);
        return [.. reference.Select(_ => relative * largest)];
    }
}
