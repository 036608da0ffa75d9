using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>A basis that is handed from update to update must not lose its orthogonality on the way.</summary>
public sealed class SymmetricEigenDriftTests
{
    private const int Size = 100;

    [Theory]
    [InlineData(VectorWidth.Portable)]
    [InlineData(VectorWidth.Avx2)]
    [InlineData(VectorWidth.Widest)]
    public void AStepCorrectsWhatEarlierOnesLeft(VectorWidth width)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { MaxVectorWidth = width });
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> matrix = arena.Matrix<float>(Size, Size);
        MatrixView<float> vectors = arena.Matrix<float>(Size, Size);
        VectorView<float> values = arena.Vector<float>(Size);
        VectorView<int> status = arena.Vector<int>(1);
        VectorView<EigenOutcome> outcome = arena.Vector<EigenOutcome>(1);
        float[] from = SymmetricMatrices.PositiveDefinite(Size, 1);
        float[] to = SymmetricMatrices.PositiveDefinite(Size, 2);
        stream.Upload(from, matrix);
        SymmetricEigen.Run(stream, [new SymmetricEigenItem(matrix, values, vectors)], status);

        // ‖VᵀV − I‖ of six tenths of the tolerance, 10·n·ε.
        var basis = new float[Size * Size];
        stream.Download(vectors, basis);
        float stretch = (float)(1 + (3 * Math.Sqrt(Size) * ErrorBound.Epsilon));
        basis = SymmetricMatrices.Scaled(basis, stretch);
        double before = Orthogonality(basis);
        Assert.InRange(before, 4 * Size * ErrorBound.Epsilon, 8 * Size * ErrorBound.Epsilon);
        stream.Upload(basis, vectors);
        stream.Upload([.. from.Zip(to, static (a, b) => (0.999f * a) + (0.001f * b))], matrix);
        SymmetricEigen.Run(
            stream, [new SymmetricEigenItem(matrix, values, vectors, vectors)], status, outcome, EigenWarmStart.Default);
        Assert.Equal(new EigenOutcome(EigenRoute.Refined, 1), stream.Read(outcome));
        stream.Download(vectors, basis);
        Assert.InRange(Orthogonality(basis), 0, 0.5 * before);
    }

    [Theory]
    [InlineData(VectorWidth.Portable)]
    [InlineData(VectorWidth.Avx2)]
    [InlineData(VectorWidth.Widest)]
    public void ManyUpdatesInARowStayOrthogonal(VectorWidth width)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { MaxVectorWidth = width });
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> matrix = arena.Matrix<float>(Size, Size);
        MatrixView<float> vectors = arena.Matrix<float>(Size, Size);
        VectorView<float> values = arena.Vector<float>(Size);
        VectorView<int> status = arena.Vector<int>(1);
        VectorView<EigenOutcome> outcome = arena.Vector<EigenOutcome>(1);
        float[] average = SymmetricMatrices.PositiveDefinite(Size, 1);
        var basis = new float[Size * Size];
        stream.Upload(average, matrix);
        SymmetricEigen.Run(stream, [new SymmetricEigenItem(matrix, values, vectors)], status);
        for (uint update = 1; update <= 25; update++)
        {
            float[] next = SymmetricMatrices.PositiveDefinite(Size, 1 + update);
            average = [.. average.Zip(next, static (a, b) => (0.999f * a) + (0.001f * b))];
            stream.Upload(average, matrix);
            SymmetricEigen.Run(
                stream, [new SymmetricEigenItem(matrix, values, vectors, vectors)], status, outcome, EigenWarmStart.Default);
            Assert.Equal(EigenRoute.Refined, stream.Read(outcome).Route);
            stream.Download(vectors, basis);
            Assert.InRange(Orthogonality(basis), 0, 15 * Size * ErrorBound.Epsilon);
        }
    }

    /// <summary><c>‖VᵀV − I‖</c>.</summary>
    private static double Orthogonality(float[] v)
    {
        double sum = 0;
        for (int i = 0; i < Size; i++)
        {
            for (int j = 0; j < Size; j++)
            {
                double product = i == j ? -1 : 0;
                for (int r = 0; r < Size; r++)
                {
                    product += (double)v[(r * Size) + i] * v[(r * Size) + j];
                }

                sum += product * product;
            }
        }

        return Math.Sqrt(sum);
    }
}
