using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class DampedInverseTests
{
    private const double DoubleEpsilon = 1.1102230246251565e-16;

    private static readonly int[] Sizes = [.. TestData.EdgeSizes, 191, 193, 257, 300];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AgreesWithTheReferenceInBothPrecisions(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int n in Sizes)
        {
            float[] matrix = SymmetricMatrices.PositiveDefinite(n, (ulong)n);
            double[] expected = Reference.DampedInverse.Run(TestData.ToDouble(matrix), n, 0.25);
            foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
            {
                var batch = new Batch(device, arena, precision, (matrix, n, 0.25f));
                Assert.Equal([0], batch.Status);
                AssertInverse(batch.Inverse(0), expected, n, smallest: 0.5, largest: 5.25, precision);
            }

            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void OneFailingItemLeavesTheOthersAlone(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[] sizes = [5, 130, 0, 64, 300, 1, 96];
        var items = sizes.Select(n => (SymmetricMatrices.PositiveDefinite(n, 2), n, 0.5f)).ToArray();
        items[1].Item1[(70 * 130) + 70] = -3;
        items[3].Item1[(40 * 64) + 11] = float.NaN;
        foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
        {
            var batch = new Batch(device, arena, precision, items);
            Assert.Equal([0, 71, 0, 41, 0, 0, 0], batch.Status);
            foreach (int i in new[] { 0, 2, 4, 5, 6 })
            {
                double[] expected = Reference.DampedInverse.Run(TestData.ToDouble(items[i].Item1), sizes[i], 0.5);
                AssertInverse(batch.Inverse(i), expected, sizes[i], 0.75, 5.5, precision);
            }
        }
    }

    [Fact]
    public void SameBitsForAnyThreadCountAndBatch()
    {
        (float[], int, float)[] items = [.. new[] { 300, 40, 70, 129, 20 }.Select(n => (SymmetricMatrices.PositiveDefinite(n, 9), n, 0.1f))];
        foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
        {
            List<float[]>? first = null;
            foreach (int threads in new[] { 1, 2, 3 })
            {
                using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
                using var arena = new Arena(device);
                var together = new Batch(device, arena, precision, items);
                List<float[]> results = [.. Enumerable.Range(0, items.Length).Select(together.Inverse)];
                first ??= results;
                for (int i = 0; i < items.Length; i++)
                {
                    Assert.Equal(first[i], results[i]);
                    Assert.Equal(first[i], new Batch(device, arena, precision, items[i]).Inverse(0));
                }
            }
        }
    }

    [Theory]
    [InlineData(1e-30f)]
    [InlineData(1e30f)]
    public void ScaleDoesNotMatter(float scale)
    {
        const int n = 150;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] matrix = SymmetricMatrices.Scaled(SymmetricMatrices.PositiveDefinite(n, 4), scale);
        double[] expected = Reference.DampedInverse.Run(TestData.ToDouble(matrix), n, 0);
        foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
        {
            var batch = new Batch(device, arena, precision, (matrix, n, 0));
            Assert.Equal([0], batch.Status);
            AssertInverse(batch.Inverse(0), expected, n, 0.25 * scale, 5 * scale, precision);
        }
    }

    [Fact]
    public void DoubleSucceedsWhereSingleFails()
    {
        const int n = 120;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var matrix = new float[n * n];
        Array.Fill(matrix, 1f);
        Assert.Equal([2], new Batch(device, arena, InversePrecision.Single, (matrix, n, 1e-9f)).Status);
        var batch = new Batch(device, arena, InversePrecision.Double, (matrix, n, 1e-9f));
        Assert.Equal([0], batch.Status);
        double[] expected = Reference.DampedInverse.Run(TestData.ToDouble(matrix), n, 1e-9f);
        AssertInverse(batch.Inverse(0), expected, n, 1e-9, n, InversePrecision.Double);
    }

    [Theory]
    [InlineData(InversePrecision.Single)]
    [InlineData(InversePrecision.Double)]
    public void SingularAndNonFiniteMatricesAreReported(InversePrecision precision)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        foreach (int n in new[] { 1, 30, 200 })
        {
            foreach (float value in new[] { 0f, float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                var matrix = new float[n * n];
                Array.Fill(matrix, value);
                Assert.Equal([1], new Batch(device, arena, precision, (matrix, n, 0)).Status);
            }
        }
    }

    [Fact]
    public void AnInverseBeyondTheRangeOfFloatIsReported()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
        {
            Assert.Equal([2], new Batch(device, arena, precision, ([1f, 0f, 0f, 1e-42f], 2, 0)).Status);
        }
    }

    [Fact]
    public void RefusesWhatDoesNotFitAndLeavesOutputsAlone()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var inverse = new GuardedMatrix<float>(stream, arena, 4, 4);
        VectorView<int> status = arena.Vector<int>(1);
        MatrixView<float> a = arena.Matrix<float>(4, 4);
        void Refused<TException>(MatrixView<float> matrix, float damping, MatrixView<float> result, VectorView<int> codes)
            where TException : Exception =>
            Assert.ThrowsAny<TException>(() => DampedInverse.Run(stream, [new DampedInverseItem(matrix, damping, result)], codes));

        Refused<ArgumentException>(arena.Matrix<float>(4, 5), 0, inverse.View, status);
        Refused<ArgumentException>(arena.Matrix<float>(5, 5), 0, inverse.View, status);
        Refused<ArgumentException>(a, -1, inverse.View, status);
        Refused<ArgumentException>(a, float.NaN, inverse.View, status);
        Refused<ArgumentException>(a, 0, inverse.View, arena.Vector<int>(2));
        Refused<ArgumentException>(inverse.View, 0, inverse.View, status);
        Assert.All(inverse.Read(), x => Assert.True(float.IsNaN(x)));
        arena.Reset();
        Refused<InvalidOperationException>(a, 0, inverse.View, status);
        arena.Dispose();
        Refused<ObjectDisposedException>(a, 0, inverse.View, status);
    }

    [Fact]
    public void AllocatesNothingOnTheManagedHeap()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DampedInverseItem[] items = [.. new[] { 200, 30, 40 }.Select(n =>
        {
            MatrixView<float> matrix = arena.Matrix<float>(n, n);
            device.DefaultStream.Upload(SymmetricMatrices.PositiveDefinite(n, 1), matrix);
            return new DampedInverseItem(matrix, 0.1f, arena.Matrix<float>(n, n));
        })];
        VectorView<int> status = arena.Vector<int>(3);
        DampedInverse.Run(device.DefaultStream, items, status);
        long before = GC.GetAllocatedBytesForCurrentThread();
        DampedInverse.Run(device.DefaultStream, items, status);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>Normwise bound of inversion through Cholesky (Higham 2002, 14.2), symmetric to the bit.</summary>
    private static void AssertInverse(float[] inverse, double[] expected, int n, double smallest, double largest, InversePrecision precision)
    {
        double epsilon = precision == InversePrecision.Single ? ErrorBound.Epsilon : DoubleEpsilon;
        double normwise = 4 * (n + 4) * epsilon * (largest / smallest) / smallest;
        ErrorBound.AssertWithinAndSharp(
            inverse, expected, [.. expected.Select(x => normwise + (ErrorBound.Epsilon * Math.Abs(x)))], $"inverse, n = {n}, {precision}");
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < i; j++)
            {
                Assert.True(inverse[(i * n) + j] == inverse[(j * n) + i], $"n = {n}: elements ({i}, {j}) and ({j}, {i}) differ.");
            }
        }
    }

    /// <summary>One call over guarded matrices whose upper triangles hold NaN.</summary>
    private sealed class Batch
    {
        private readonly GuardedMatrix<float>[] _inverses;

        public Batch(Device device, Arena arena, InversePrecision precision, params (float[] Matrix, int Size, float Damping)[] items)
        {
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float>[] matrices = [.. items.Select((item, i) =>
                new GuardedMatrix<float>(stream, arena, item.Size, item.Size, i % 3, i % 2).Write(SymmetricMatrices.LowerOnly(item.Matrix, item.Size)))];
            _inverses = [.. items.Select((item, i) => new GuardedMatrix<float>(stream, arena, item.Size, item.Size, (i + 1) % 3, i % 2))];
            var status = new GuardedMatrix<int>(stream, arena, 1, items.Length);
            DampedInverseItem[] arguments = [.. items.Select((item, i) => new DampedInverseItem(matrices[i].View, item.Damping, _inverses[i].View))];
            DampedInverse.Run(stream, arguments, status.View.AsVector(), precision);
            Status = status.Read();
            status.AssertGuards();
            for (int i = 0; i < items.Length; i++)
            {
                Assert.Equal(SymmetricMatrices.LowerOnly(items[i].Matrix, items[i].Size), matrices[i].Read());
                matrices[i].AssertGuards();
                _inverses[i].AssertGuards();
            }
        }

        public int[] Status { get; }

        public float[] Inverse(int item) => _inverses[item].Read();
    }
}
