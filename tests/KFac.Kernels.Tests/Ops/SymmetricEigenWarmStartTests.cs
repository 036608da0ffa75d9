using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Eigendecompositions that start from the vectors of another matrix.</summary>
public sealed class SymmetricEigenWarmStartTests
{
    private static readonly int[] Sizes = [1, 2, 32, 33, 47, 48, 49, 64, 97, 129, 200, 257];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void MeetsTheContractHoweverFarTheMatrixHasMoved(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        bool isHost = key == TestDevice.CudaHost;
        foreach (int n in isHost ? [1, 32, 33, 49] : Sizes)
        {
            float[] before = Factor(n, 2 * n, 1);
            foreach (float share in isHost ? [0, 1e-6f, 1e-3f, 0.05f, 1] : new[] { 0, 1e-6f, 1e-4f, 1e-3f, 0.01f, 0.05f, 0.3f, 1 })
            {
                string what = $"n = {n}, moved by {share}";
                float[] after = Moved(before, Factor(n, 2 * n, 2), share);
                var call = new Call(device, arena, after, n, Vectors(device, arena, before, n), share > 0.01f);
                EigenContract.Assert(after, n, call.Result, what);
                Assert.Contains(call.Outcome.Route, Expected(n, share));
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void MeetsTheContractForDegenerateMatrices(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        bool isHost = key == TestDevice.CudaHost;
        foreach (int n in isHost ? [33] : new[] { 33, 64, 131, 200 })
        {
            float[] random = Factor(n, 2 * n, 2);
            foreach ((string name, float[] before) in Degenerate(n))
            {
                foreach (float share in isHost ? [0, 1e-3f] : new[] { 0, 1e-5f, 1e-3f, 0.05f })
                {
                    float[] after = Moved(before, random, share);
                    var call = new Call(device, arena, after, n, Vectors(device, arena, before, n), inPlace: true);
                    EigenContract.Assert(after, n, call.Result, $"{name}, n = {n}, moved by {share}, {call.Outcome}");
                    if (share == 0)
                    {
                        Assert.Equal(EigenRoute.Kept, call.Outcome.Route);
                    }
                }

                arena.Reset();
            }
        }
    }

    [Theory]
    [InlineData(70)]
    [InlineData(97)]
    public void ValuesAgreeWithJacobi(int n)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] before = Factor(n, 2 * n, 3);
        foreach (float share in new[] { 1e-7f, 1e-3f, 0.01f })
        {
            float[] after = Moved(before, Factor(n, 2 * n, 4), share);
            var call = new Call(device, arena, after, n, Vectors(device, arena, before, n), inPlace: false);
            Assert.NotEqual(EigenRoute.FellBack, call.Outcome.Route);
            double[] expected = Reference.SymmetricEigen.Values(TestData.ToDouble(after), n);
            double tolerance = 50 * n * ErrorBound.Epsilon * expected.Max(Math.Abs);
            ErrorBound.AssertWithinAndSharp(call.Result.Values, expected, [.. expected.Select(_ => tolerance)], $"moved by {share}");
        }
    }

    [Theory]
    [InlineData(1e-42f)]
    [InlineData(1e-30f)]
    [InlineData(1e30f)]
    [InlineData(3e37f)]
    public void ScaleDoesNotMatter(float scale)
    {
        const int Size = 100;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] before = Factor(Size, 2 * Size, 1);
        float[] after = SymmetricMatrices.Scaled(Moved(before, Factor(Size, 2 * Size, 2), 1e-3f), scale);
        var call = new Call(device, arena, after, Size, Vectors(device, arena, before, Size), inPlace: false);
        EigenContract.Assert(after, Size, call.Result, $"scale {scale}");
    }

    [Fact]
    public void ColumnsOfThePreviousBasisMayComeInAnyOrderAndSign()
    {
        const int Size = 80;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] before = Factor(Size, 2 * Size, 1);
        float[] vectors = Vectors(device, arena, before, Size);
        float[] shuffled = [.. vectors.Select((_, at) => (at % Size % 3 == 0 ? -1 : 1) * vectors[(at / Size * Size) + (at % Size * 37 % Size)])];
        foreach (float share in new[] { 0, 1e-3f })
        {
            float[] after = Moved(before, Factor(Size, 2 * Size, 2), share);
            var call = new Call(device, arena, after, Size, shuffled, inPlace: true);
            EigenContract.Assert(after, Size, call.Result, $"moved by {share}");
            Assert.Equal(share == 0 ? EigenRoute.Kept : EigenRoute.Refined, call.Outcome.Route);
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void BasesThatAreNoneCostTimeOnly(string key)
    {
        int size = key == TestDevice.CudaHost ? 40 : 70;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        float[] matrix = Factor(size, 2 * size, 1);
        float[] good = Vectors(device, arena, matrix, size);
        float[] scaled = SymmetricMatrices.Scaled(good, 1.001f);
        float[] twice = [.. good.Select((x, at) => at % size == 5 ? good[at + 1] : x)];
        float[] undefined = [.. good];
        undefined[(size * size) - 1] = float.NaN;
        foreach (float[] basis in new[] { scaled, twice, undefined, new float[size * size], TestData.Uniform(size * size, 9) })
        {
            var call = new Call(device, arena, matrix, size, basis, inPlace: false);
            EigenContract.Assert(matrix, size, call.Result, "from a bad basis");
            Assert.Equal(new EigenOutcome(EigenRoute.FellBack, 0), call.Outcome);
        }
    }

    [Fact]
    public void NonFiniteMatricesAreReported()
    {
        const int Size = 70;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] matrix = Factor(Size, 2 * Size, 1);
        float[] basis = Vectors(device, arena, matrix, Size);
        matrix[(50 * Size) + 3] = float.NaN;
        Assert.Equal(1, new Call(device, arena, matrix, Size, basis, inPlace: false).Status);
        matrix[(50 * Size) + 3] = float.PositiveInfinity;
        Assert.Equal(1, new Call(device, arena, matrix, Size, basis, inPlace: true).Status);
    }

    [Fact]
    public void SameBitsForAnyThreadCountAndBatch()
    {
        int[] sizes = [40, 300, 131, 65, 64, 150];
        (float[] After, float[] Basis, int Size)[]? items = null;
        float[][]? first = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            items ??= [.. sizes.Select(n => (
                Moved(Factor(n, 2 * n, 1), Factor(n, 2 * n, 2), 0.003f), Vectors(device, arena, Factor(n, 2 * n, 1), n), n))];
            float[][] together = Together(device, arena, items);
            first ??= together;
            for (int i = 0; i < items.Length; i++)
            {
                Assert.Equal(first[i], together[i]);
                var alone = new Call(device, arena, items[i].After, items[i].Size, items[i].Basis, inPlace: i % 2 == 0);
                Assert.Equal(EigenRoute.Refined, alone.Outcome.Route);
                Assert.Equal(first[i], alone.Result.Vectors);
            }
        }
    }

    [Fact]
    public void ABasisIsKeptWhileItDiagonalisesWellEnough()
    {
        const int Size = 120;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        float[] before = Factor(Size, 2 * Size, 1);
        float[] after = Moved(before, Factor(Size, 2 * Size, 2), 0.05f);
        float[] basis = Vectors(device, arena, before, Size);
        var kept = new Call(device, arena, after, Size, basis, inPlace: false, new EigenWarmStart { KeepBelow = 0.2 });
        Assert.Equal(new EigenOutcome(EigenRoute.Kept, 0), kept.Outcome);
        Assert.Equal(basis.Select(Math.Abs).Order(), kept.Result.Vectors.Select(Math.Abs).Order());
        double trace = Enumerable.Range(0, Size).Sum(i => (double)after[i * (Size + 1)]);
        Assert.Equal(trace, kept.Result.Values.Sum(x => (double)x), 1e-4 * trace);
        var strict = new Call(device, arena, after, Size, basis, inPlace: false, new EigenWarmStart { KeepBelow = 1e-4 });
        Assert.NotEqual(EigenRoute.Kept, strict.Outcome.Route);
        EigenContract.Assert(after, Size, strict.Result, "beyond the ratio");
    }

    [Fact]
    public void RefusesWhatDoesNotFitAndLeavesOutputsAlone()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var memory = new GuardedMatrix<float>(stream, arena, 8, 4);
        MatrixView<float> vectors = memory.View.Slice(0, 0, 4, 4);
        VectorView<float> values = arena.Vector<float>(4);
        VectorView<int> status = arena.Vector<int>(1);
        MatrixView<float> a = arena.Matrix<float>(4, 4);
        void Refused(MatrixView<float> previous, int outcomes = 1, EigenWarmStart? settings = null) =>
            Assert.ThrowsAny<ArgumentException>(() => SymmetricEigen.Run(
                stream, [new SymmetricEigenItem(a, values, vectors, previous)], status, arena.Vector<EigenOutcome>(outcomes), settings ?? new()));

        Refused(arena.Matrix<float>(5, 4));
        Refused(memory.View.Slice(1, 0, 4, 4));
        Refused(arena.Matrix<float>(4, 4), outcomes: 2);
        Refused(arena.Matrix<float>(4, 4), settings: new EigenWarmStart { Tolerance = 0 });
        Refused(arena.Matrix<float>(4, 4), settings: new EigenWarmStart { Tolerance = 26 });
        Refused(arena.Matrix<float>(4, 4), settings: new EigenWarmStart { KeepBelow = double.NaN });
        Assert.All(memory.Read(), x => Assert.True(float.IsNaN(x)));
    }

    [Fact]
    public void AllocatesNothingOnTheManagedHeap()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        SymmetricEigenItem[] items = [.. new[] { 200, 60 }.Select(n =>
        {
            float[] before = Factor(n, 2 * n, 1);
            MatrixView<float> matrix = arena.Matrix<float>(n, n);
            device.DefaultStream.Upload(Moved(before, Factor(n, 2 * n, 2), 1e-3f), matrix);
            MatrixView<float> basis = arena.Matrix<float>(n, n);
            device.DefaultStream.Upload(Vectors(device, arena, before, n), basis);
            return new SymmetricEigenItem(matrix, arena.Vector<float>(n), arena.Matrix<float>(n, n), basis);
        })];
        VectorView<int> status = arena.Vector<int>(2);
        // How many blocks of scratch are in use at a time is left to the threads' timing: a few calls to see the most.
        for (int call = 0; call < 10; call++)
        {
            SymmetricEigen.Run(device.DefaultStream, items, status);
        }

        long start = GC.GetAllocatedBytesForCurrentThread();
        SymmetricEigen.Run(device.DefaultStream, items, status);
        Assert.Equal(start, GC.GetAllocatedBytesForCurrentThread());
    }

    private static EigenRoute[] Expected(int n, float share) => (n, share) switch
    {
        ( <= 32, _) => [EigenRoute.Decomposed],
        (_, <= 1e-6f) => [EigenRoute.Kept],
        (_, <= 1e-3f) => [EigenRoute.Kept, EigenRoute.Refined],
        (_, 1) => [EigenRoute.FellBack],
        _ => [EigenRoute.Refined, EigenRoute.FellBack],
    };

    private static IEnumerable<(string Name, float[] Matrix)> Degenerate(int n)
    {
        float[] Dense(Func<int, double> value) => SymmetricMatrices.WithSpectrum(SymmetricMatrices.Spectrum(n, value), 3);
        yield return ("zero", new float[n * n]);
        yield return ("identity", [.. Enumerable.Range(0, n * n).Select(k => k / n == k % n ? 1f : 0f)]);
        yield return ("rank n/4", Dense(i => i < n / 4 ? 1 + i : 0));
        yield return ("rank 1", Dense(i => i == 0 ? 10 : 0));
        yield return ("two values", Dense(i => i % 2 == 0 ? 2 : -1));
        yield return ("clusters", Dense(i => (i % 4) + (1e-7 * i)));
        yield return ("graded", Dense(i => Math.Pow(10, -12 + (15.0 * i / Math.Max(1, n - 1)))));
        yield return ("sample of few rows", Factor(n, n / 2, 5));
    }

    /// <summary>XᵀX/rows of random rows whose columns shrink, as the inputs of a layer do.</summary>
    private static float[] Factor(int n, int rows, ulong seed)
    {
        float[] x = TestData.Uniform(rows * n, seed);
        var result = new float[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = 0;
                for (int r = 0; r < rows; r++)
                {
                    sum += (double)x[(r * n) + i] * x[(r * n) + j];
                }

                result[(i * n) + j] = result[(j * n) + i] = (float)(sum / (rows * Math.Sqrt((i + 1.0) * (j + 1.0))));
            }
        }

        return result;
    }

    private static float[] Moved(float[] from, float[] to, float share) => [.. from.Zip(to, (a, b) => ((1 - share) * a) + (share * b))];

    private static float[] Vectors(Device device, Arena arena, float[] matrix, int n)
    {
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> a = arena.Matrix<float>(n, n);
        MatrixView<float> vectors = arena.Matrix<float>(n, n);
        VectorView<int> status = arena.Vector<int>(1);
        stream.Upload(matrix, a);
        SymmetricEigen.Run(stream, [new SymmetricEigenItem(a, arena.Vector<float>(n), vectors)], status);
        Assert.Equal(0, stream.Read(status));
        return Download(stream, vectors);
    }

    private static float[] Download(DeviceStream stream, MatrixView<float> matrix)
    {
        var result = new float[matrix.Rows * matrix.Columns];
        stream.Download(matrix, result);
        return result;
    }

    private static float[][] Together(Device device, Arena arena, (float[] After, float[] Basis, int Size)[] items)
    {
        DeviceStream stream = device.DefaultStream;
        SymmetricEigenItem[] arguments = [.. items.Select(item =>
        {
            MatrixView<float> matrix = arena.Matrix<float>(item.Size, item.Size);
            MatrixView<float> basis = arena.Matrix<float>(item.Size, item.Size);
            stream.Upload(item.After, matrix);
            stream.Upload(item.Basis, basis);
            return new SymmetricEigenItem(matrix, arena.Vector<float>(item.Size), basis, basis);
        })];
        VectorView<int> status = arena.Vector<int>(items.Length);
        SymmetricEigen.Run(stream, arguments, status);
        return [.. arguments.Select(item => Download(stream, item.Vectors))];
    }

    /// <summary>One call over guarded matrices; the upper triangle holds NaN.</summary>
    private sealed class Call
    {
        private readonly (float[] Values, float[] Vectors) _result;

        public Call(Device device, Arena arena, float[] matrix, int n, float[] basis, bool inPlace, EigenWarmStart? settings = null)
        {
            DeviceStream stream = device.DefaultStream;
            float[] lower = SymmetricMatrices.LowerOnly(matrix, n);
            GuardedMatrix<float> a = new GuardedMatrix<float>(stream, arena, n, n, 1, 1).Write(lower);
            GuardedMatrix<float> previous = new GuardedMatrix<float>(stream, arena, n, n, 2, 1).Write(basis);
            var vectors = new GuardedMatrix<float>(stream, arena, n, n, 0, 1);
            var values = new GuardedMatrix<float>(stream, arena, 1, n, 0, 1);
            var status = new GuardedMatrix<int>(stream, arena, 1, 1);
            VectorView<EigenOutcome> outcome = arena.Vector<EigenOutcome>(1);
            GuardedMatrix<float> output = inPlace ? previous : vectors;
            SymmetricEigen.Run(
                stream,
                [new SymmetricEigenItem(a.View, values.View.AsVector(), output.View, previous.View)],
                status.View.AsVector(),
                outcome,
                settings ?? EigenWarmStart.Default);
            Status = status.Read()[0];
            Outcome = stream.Read(outcome);
            _result = (values.Read(), output.Read());
            Assert.Equal(lower, a.Read());
            Assert.True(inPlace || basis.SequenceEqual(previous.Read()));
            a.AssertGuards();
            previous.AssertGuards();
            vectors.AssertGuards();
            values.AssertGuards();
            status.AssertGuards();
        }

        public int Status { get; }

        public EigenOutcome Outcome { get; }

        public (float[] Values, float[] Vectors) Result
        {
            get
            {
                Assert.Equal(0, Status);
                return _result;
            }
        }
    }
}
