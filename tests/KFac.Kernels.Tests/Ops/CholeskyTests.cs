using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class CholeskyTests
{
    private static readonly int[] Sizes = [.. TestData.EdgeSizes, 191, 193, 257, 300];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void FactorReproducesTheDampedMatrix(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int n in Sizes)
        {
            float[] matrix = SymmetricMatrices.PositiveDefinite(n, (ulong)n);
            (float[] lower, int status) = Factor(device, arena, SymmetricMatrices.LowerOnly(matrix, n), n, 0.125f, gap: n % 3, offset: n % 2);
            Assert.Equal(0, status);
            AssertFactor(matrix, lower, n, 0.125);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void FactorIsCloseToTheReference(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int n in new[] { 1, 2, 5, 33, 97, 150 })
        {
            float[] matrix = SymmetricMatrices.PositiveDefinite(n, 7);
            (float[] lower, _) = Factor(device, arena, matrix, n, 0.5f);
            double[] expected = Reference.Cholesky.Factor(TestData.ToDouble(matrix), n, 0.5);
            double tolerance = 8 * ErrorBound.Gamma(n + 1) * Math.Sqrt(5.5);
            ErrorBound.AssertWithinAndSharp(lower, expected, [.. expected.Select(x => x == 0 ? 0 : tolerance)], $"L, n = {n}");
        }
    }

    [Fact]
    public void FactorInPlaceAndSameBitsForAnyThreadCount()
    {
        const int n = 300;
        float[] matrix = SymmetricMatrices.PositiveDefinite(n, 3);
        var results = new List<float[]>();
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            GuardedMatrix<float> a = new GuardedMatrix<float>(device.DefaultStream, arena, n, n, gap: 5).Write(matrix);
            VectorView<int> status = arena.Vector<int>(1);
            Cholesky.Run(device.DefaultStream, a.View, 0, a.View, status);
            Assert.Equal(0, device.DefaultStream.Read(status));
            a.AssertGuards();
            results.Add(a.Read());
        }

        AssertFactor(matrix, results[0], n, 0);
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [Theory]
    [InlineData(1e-30f)]
    [InlineData(1e30f)]
    public void ScaleDoesNotMatter(float scale)
    {
        const int n = 129;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] matrix = SymmetricMatrices.Scaled(SymmetricMatrices.PositiveDefinite(n, 11), scale);
        (float[] lower, int status) = Factor(device, arena, matrix, n, 0);
        Assert.Equal(0, status);
        AssertFactor(matrix, lower, n, 0);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void StatusNamesTheFirstBadPivot(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int n in new[] { 1, 5, 64, 130, 300 })
        {
            foreach (int bad in new[] { 0, n / 2, n - 1 })
            {
                foreach (float value in new[] { 0f, -1f, float.NaN, float.PositiveInfinity, float.NegativeInfinity })
                {
                    var matrix = new float[n * n];
                    for (int i = 0; i < n; i++)
                    {
                        matrix[(i * n) + i] = i >= bad ? value : 1 + i;
                    }

                    Assert.Equal(1 + bad, Factor(device, arena, matrix, n, 0).Status);
                    arena.Reset();
                }
            }
        }
    }

    [Fact]
    public void NaNOffTheDiagonalReachesItsPivot()
    {
        const int n = 200;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] matrix = SymmetricMatrices.PositiveDefinite(n, 5);
        matrix[(150 * n) + 20] = float.NaN;
        Assert.Equal(151, Factor(device, arena, matrix, n, 0).Status);
    }

    [Fact]
    public void RefusesWhatDoesNotFitAndLeavesOutputsAlone()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var lower = new GuardedMatrix<float>(stream, arena, 4, 4);
        VectorView<int> status = arena.Vector<int>(1);
        MatrixView<float> square = arena.Matrix<float>(4, 4);
        Assert.Throws<ArgumentException>(() => Cholesky.Run(stream, arena.Matrix<float>(4, 5), 0, lower.View, status));
        Assert.Throws<ArgumentException>(() => Cholesky.Run(stream, arena.Matrix<float>(5, 5), 0, lower.View, status));
        Assert.Throws<ArgumentException>(() => Cholesky.Run(stream, square, 0, lower.View, arena.Vector<int>(2)));
        Assert.ThrowsAny<ArgumentException>(() => Cholesky.Run(stream, square, -1, lower.View, status));
        Assert.ThrowsAny<ArgumentException>(() => Cholesky.Run(stream, square, float.NaN, lower.View, status));
        Assert.All(lower.Read(), x => Assert.True(float.IsNaN(x)));
        arena.Reset();
        Assert.Throws<InvalidOperationException>(() => Cholesky.Run(stream, square, 0, lower.View, status));
        arena.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Cholesky.Run(stream, square, 0, lower.View, status));
    }

    [Fact]
    public void AllocatesNothingOnTheManagedHeap()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        MatrixView<float> matrix = arena.Matrix<float>(100, 100);
        device.DefaultStream.Upload(SymmetricMatrices.PositiveDefinite(100, 1), matrix);
        MatrixView<float> lower = arena.Matrix<float>(100, 100);
        VectorView<int> status = arena.Vector<int>(1);
        Cholesky.Run(device.DefaultStream, matrix, 0, lower, status);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Cholesky.Run(device.DefaultStream, matrix, 0, lower, status);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static (float[] Lower, int Status) Factor(
        Device device, Arena arena, float[] matrix, int n, float damping, int gap = 0, int offset = 0)
    {
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> a = new GuardedMatrix<float>(stream, arena, n, n, gap, offset).Write(matrix);
        var lower = new GuardedMatrix<float>(stream, arena, n, n, gap + 1, offset);
        var status = new GuardedMatrix<int>(stream, arena, 1, 1);
        Cholesky.Run(stream, a.View, damping, lower.View, status.View.AsVector());
        Assert.Equal(matrix, a.Read());
        a.AssertGuards();
        lower.AssertGuards();
        status.AssertGuards();
        return (lower.Read(), status.Read()[0]);
    }

    /// <summary>Elementwise backward error (Higham 2002, theorem 10.3), one rounding more for the comparison, zeros above the diagonal.</summary>
    private static void AssertFactor(float[] matrix, float[] lower, int n, double damping)
    {
        double[] l = TestData.ToDouble(lower);
        double[] size = Reference.Cholesky.Product([.. l.Select(Math.Abs)], n);
        float[] product = [.. Reference.Cholesky.Product(l, n).Select(x => (float)x)];
        double[] expected = TestData.ToDouble(matrix);
        for (int i = 0; i < n; i++)
        {
            expected[(i * n) + i] += damping;
            Assert.All(lower.AsSpan((i * n) + i + 1, n - i - 1).ToArray(), x => Assert.Equal(0f, x));
        }

        ErrorBound.AssertWithinAndSharp(
            product, expected, [.. size.Select(x => ErrorBound.Gamma(n + 2) * x)], $"L·Lᵀ, n = {n}");
    }
}
