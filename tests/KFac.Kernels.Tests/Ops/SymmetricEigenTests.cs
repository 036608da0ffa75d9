using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class SymmetricEigenTests
{
    /// <summary>One, two and four pairs of 32 rows, three of 64; host execution takes seconds over each.</summary>
    private static readonly int[] HostSizes = [0, 1, 2, 3, 31, 32, 33, 64, 97, 129];

    private static readonly int[] Sizes = [.. TestData.EdgeSizes, 130, 191, 257, 300];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void DiagonalisesRandomMatricesOfAnySize(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int n in key == TestDevice.CudaHost ? HostSizes : Sizes)
        {
            float[] matrix = Indefinite(n, (ulong)n);
            EigenContract.Assert(matrix, n, new Batch(device, arena, (matrix, n)).Result(0), $"n = {n}");
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void DiagonalisesDegenerateMatrices(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int n in key == TestDevice.CudaHost ? [1, 2, 3, 31, 64] : new[] { 1, 2, 3, 31, 64, 131, 260 })
        {
            foreach ((string name, float[] matrix) in Degenerate(n))
            {
                EigenContract.Assert(matrix, n, new Batch(device, arena, (matrix, n)).Result(0), $"{name}, n = {n}");
            }

            arena.Reset();
        }
    }

    [Fact]
    public void ValuesAgreeWithJacobi()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        foreach (int n in new[] { 1, 2, 3, 17, 64, 97 })
        {
            foreach ((string name, float[] matrix) in Degenerate(n).Append(("random", Indefinite(n, 5))))
            {
                double[] expected = Reference.SymmetricEigen.Values(TestData.ToDouble(matrix), n);
                double tolerance = 50 * n * ErrorBound.Epsilon * expected.Max(Math.Abs);
                ErrorBound.AssertWithinAndSharp(
                    new Batch(device, arena, (matrix, n)).Result(0).Values, expected, [.. expected.Select(_ => tolerance)], $"{name}, n = {n}");
            }
        }
    }

    [Fact]
    public void SameBitsForAnyThreadCountAndBatch()
    {
        (float[], int)[] items = [.. new[] { 20, 300, 131, 65, 64, 7 }.Select(n => (Indefinite(n, 8), n))];
        (float[] Values, float[] Vectors)[]? first = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            var together = new Batch(device, arena, items);
            var results = items.Select((_, i) => together.Result(i)).ToArray();
            first ??= results;
            for (int i = 0; i < items.Length; i++)
            {
                Assert.Equal(first[i].Values, results[i].Values);
                Assert.Equal(first[i].Vectors, results[i].Vectors);
                Assert.Equal(first[i].Vectors, new Batch(device, arena, items[i]).Result(0).Vectors);
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ScaleDoesNotMatter(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (float scale in new[] { 1e-30f, 1e-42f, 1e30f, 3e37f })
        {
            foreach (int n in key == TestDevice.CudaHost ? [10] : new[] { 10, 150 })
            {
                float[] matrix = SymmetricMatrices.Scaled(Indefinite(n, 6), scale);
                EigenContract.Assert(matrix, n, new Batch(device, arena, (matrix, n)).Result(0), $"scale {scale}, n = {n}");
            }

            arena.Reset();
        }
    }

    /// <summary>Matrices share launches there, and each has its own rounds.</summary>
    [SkippableFact]
    public void SameBitsForAnyBatchOnTheGpu()
    {
        using Device device = TestDevice.Open(TestDevice.CudaHost);
        using var arena = new Arena(device);
        (float[], int)[] items = [.. new[] { 20, 40, 1, 33 }.Select(n => (Indefinite(n, 8), n))];
        var together = new Batch(device, arena, items);
        for (int i = 0; i < items.Length; i++)
        {
            (float[] values, float[] vectors) = new Batch(device, arena, items[i]).Result(0);
            Assert.Equal(together.Result(i).Values, values);
            Assert.Equal(together.Result(i).Vectors, vectors);
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void NonFiniteMatricesAreReportedAndLeaveTheOthersAlone(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[] sizes = key == TestDevice.CudaHost ? [1, 40, 34, 45, 5, 0] : [1, 40, 200, 300, 5, 0];
        (float[] Matrix, int Size)[] items = [.. sizes.Select(n => (Indefinite(n, 4), n))];
        items[0].Matrix[0] = float.NaN;
        items[1].Matrix[(30 * 40) + 2] = float.PositiveInfinity;
        items[2].Matrix[^1] = float.NegativeInfinity;
        var batch = new Batch(device, arena, items);
        Assert.Equal([1, 1, 1, 0, 0, 0], batch.Status);
        EigenContract.Assert(items[3].Matrix, sizes[3], batch.Result(3), "the healthy neighbour");
        EigenContract.Assert(items[4].Matrix, 5, batch.Result(4), "the small healthy neighbour");
    }

    [Fact]
    public void RefusesWhatDoesNotFitAndLeavesOutputsAlone()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var vectors = new GuardedMatrix<float>(stream, arena, 4, 4);
        VectorView<float> values = arena.Vector<float>(4);
        VectorView<int> status = arena.Vector<int>(1);
        MatrixView<float> a = arena.Matrix<float>(4, 4);
        void Refused<TException>(MatrixView<float> matrix, VectorView<float> w, MatrixView<float> q, VectorView<int> codes)
            where TException : Exception =>
            Assert.ThrowsAny<TException>(() => SymmetricEigen.Run(stream, [new SymmetricEigenItem(matrix, w, q)], codes));

        Refused<ArgumentException>(arena.Matrix<float>(4, 5), values, vectors.View, status);
        Refused<ArgumentException>(arena.Matrix<float>(5, 5), values, vectors.View, status);
        Refused<ArgumentException>(a, arena.Vector<float>(3), vectors.View, status);
        Refused<ArgumentException>(a, values, vectors.View, arena.Vector<int>(2));
        Refused<ArgumentException>(vectors.View, values, vectors.View, status);
        Assert.All(vectors.Read(), x => Assert.True(float.IsNaN(x)));
        arena.Reset();
        Refused<InvalidOperationException>(a, values, vectors.View, status);
        arena.Dispose();
        Refused<ObjectDisposedException>(a, values, vectors.View, status);
    }

    [Fact]
    public void AllocatesNothingOnTheManagedHeap()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        SymmetricEigenItem[] items = [.. new[] { 200, 30 }.Select(n =>
        {
            MatrixView<float> matrix = arena.Matrix<float>(n, n);
            device.DefaultStream.Upload(Indefinite(n, 1), matrix);
            return new SymmetricEigenItem(matrix, arena.Vector<float>(n), arena.Matrix<float>(n, n));
        })];
        VectorView<int> status = arena.Vector<int>(2);
        SymmetricEigen.Run(device.DefaultStream, items, status);
        long before = GC.GetAllocatedBytesForCurrentThread();
        SymmetricEigen.Run(device.DefaultStream, items, status);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static float[] Indefinite(int n, ulong seed)
    {
        float[] matrix = TestData.Uniform(n * n, seed);
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < i; j++)
            {
                matrix[(j * n) + i] = matrix[(i * n) + j];
            }
        }

        return matrix;
    }

    private static IEnumerable<(string Name, float[] Matrix)> Degenerate(int n)
    {
        float[] Dense(Func<int, double> value) => SymmetricMatrices.WithSpectrum(SymmetricMatrices.Spectrum(n, value), 3);
        float[] Banded(Func<int, double> diagonal, double coupling) =>
            [.. Enumerable.Range(0, n * n).Select(k => (k / n) - (k % n) is 1 or -1 ? (float)coupling : k / n == k % n ? (float)diagonal(k / n) : 0f)];

        yield return ("zero", new float[n * n]);
        yield return ("identity", Banded(_ => 1, 0));
        yield return ("diagonal, descending", Banded(i => n - i, 0));
        yield return ("diagonal, repeated", Banded(i => i % 3, 0));
        yield return ("rank 1", Dense(i => i == 0 ? 10 : 0));
        yield return ("rank n/4", Dense(i => i < n / 4 ? 1 + i : 0));
        yield return ("all ones", [.. Enumerable.Repeat(1f, n * n)]);
        yield return ("two values", Dense(i => i % 2 == 0 ? 2 : -1));
        yield return ("clusters", Dense(i => (i % 4) + (1e-7 * i)));
        yield return ("graded", Dense(i => Math.Pow(10, -12 + (15.0 * i / Math.Max(1, n - 1)))));
        yield return ("graded diagonal", Banded(i => Math.Pow(10, 3 - (15.0 * i / Math.Max(1, n - 1))), 0));
        yield return ("Wilkinson", Banded(i => Math.Abs(i - (n / 2)), 1));
        yield return ("second difference", Banded(_ => 2, -1));
        yield return ("weakly coupled", Banded(i => 1 + (i % 2), 1e-6));
    }

    /// <summary>One call over guarded matrices whose upper triangles hold NaN.</summary>
    private sealed class Batch
    {
        private readonly GuardedMatrix<float>[] _values;
        private readonly GuardedMatrix<float>[] _vectors;

        public Batch(Device device, Arena arena, params (float[] Matrix, int Size)[] items)
        {
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float>[] matrices = [.. items.Select((item, i) =>
                new GuardedMatrix<float>(stream, arena, item.Size, item.Size, i % 3, i % 2).Write(SymmetricMatrices.LowerOnly(item.Matrix, item.Size)))];
            _values = [.. items.Select((item, i) => new GuardedMatrix<float>(stream, arena, 1, item.Size, 0, i % 2))];
            _vectors = [.. items.Select((item, i) => new GuardedMatrix<float>(stream, arena, item.Size, item.Size, (i + 1) % 3, i % 2))];
            var status = new GuardedMatrix<int>(stream, arena, 1, items.Length);
            SymmetricEigenItem[] arguments = [.. items.Select((_, i) =>
                new SymmetricEigenItem(matrices[i].View, _values[i].View.AsVector(), _vectors[i].View))];
            SymmetricEigen.Run(stream, arguments, status.View.AsVector());
            Status = status.Read();
            status.AssertGuards();
            for (int i = 0; i < items.Length; i++)
            {
                Assert.Equal(SymmetricMatrices.LowerOnly(items[i].Matrix, items[i].Size), matrices[i].Read());
                matrices[i].AssertGuards();
                _values[i].AssertGuards();
                _vectors[i].AssertGuards();
            }
        }

        public int[] Status { get; }

        public (float[] Values, float[] Vectors) Result(int item)
        {
            Assert.Equal(0, Status[item]);
            return (_values[item].Read(), _vectors[item].Read());
        }
    }
}
