using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class CholeskySolveTests
{
    private const float Damping = 0.25f;

    private static readonly (int N, int K)[] s_shapes =
    [
        (0, 3), (1, 1), (5, 2), (31, 0), (47, 3), (48, 4), (49, 5), (64, 16), (95, 7), (96, 8), (97, 9), (131, 97), (191, 33), (193, 64), (257, 20), (300, 195),
    ];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AgreesWithTheInverseInBothPrecisions(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int n, int k) in s_shapes)
        {
            float[] matrix = SymmetricMatrices.PositiveDefinite(n, (ulong)n);
            double[] inverse = Reference.DampedInverse.Run(TestData.ToDouble(matrix), n, Damping);
            foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
            {
                VectorView<float> factor = Factor(device, arena, matrix, n, Damping, precision);
                foreach (MatrixSide side in Enum.GetValues<MatrixSide>())
                {
                    float[] v = TestData.Uniform(k * n, (ulong)(n + k));
                    double[] expected = Product(side, inverse, v, n, k);
                    double tolerance = Tolerance(n, 0.5, 5.25);
                    ErrorBound.AssertWithinAndSharp(
                        Apply(device, arena, side, factor, v, n, k),
                        expected,
                        [.. Enumerable.Repeat(tolerance, expected.Length)],
                        $"{side}, n = {n}, {k} vectors, {precision}");
                }
            }

            arena.Reset();
        }
    }

    /// <summary>Condition numbers from 10 to 10⁶, spread evenly in the logarithm, and half of the spectrum at its lower end: the error grows as the bound
    /// says, with κ and no higher power, and stays within a few times that of the explicit inverse.</summary>
    [Theory]
    [InlineData(1e1)]
    [InlineData(1e2)]
    [InlineData(1e3)]
    [InlineData(1e4)]
    [InlineData(1e5)]
    [InlineData(1e6)]
    public void TheErrorGrowsWithTheConditionOnly(double condition)
    {
        const int n = 330;
        const int k = 12;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        foreach (bool decays in new[] { true, false })
        {
            double[] spectrum = SymmetricMatrices.Spectrum(n, i => decays ? Math.Pow(condition, -i / (n - 1.0)) : i < n / 2 ? 1 : 1 / condition);
            float[] matrix = SymmetricMatrices.WithSpectrum(spectrum, 5);
            double[] inverse = Reference.DampedInverse.Run(TestData.ToDouble(matrix), n, 0);
            float[] v = TestData.Uniform(k * n, 6);
            double[] expected = Product(MatrixSide.Right, inverse, v, n, k);
            float[] actual = Apply(device, arena, MatrixSide.Right, Factor(device, arena, matrix, n, 0), v, n, k);
            double tolerance = Tolerance(n, 1 / condition, 1);
            ErrorBound.AssertWithin(actual, expected, [.. Enumerable.Repeat(tolerance, expected.Length)], $"κ = {condition}");

            double explicitError = LargestError(ByInverse(device, arena, matrix, v, n, k), expected);
            Assert.True(
                LargestError(actual, expected) <= (4 * explicitError) + (16 * ErrorBound.Epsilon * expected.Max(Math.Abs)),
                $"κ = {condition}: error {LargestError(actual, expected)}, that of the explicit inverse {explicitError}.");
        }
    }

    [Fact]
    public void SameBitsForAnyThreadCountBatchAndGroup()
    {
        int[] sizes = [600, 300, 40, 70, 129, 20];
        float[][]? first = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            float[][] results = [.. Together(device, arena, sizes).Select((factor, i) =>
                Apply(device, arena, MatrixSide.Right, factor, TestData.Uniform(109 * sizes[i], 8), sizes[i], 109))];
            first ??= results;
            for (int i = 0; i < sizes.Length; i++)
            {
                Assert.Equal(first[i], results[i]);
                VectorView<float> alone = Factor(device, arena, SymmetricMatrices.PositiveDefinite(sizes[i], 9), sizes[i], Damping);
                float[] few = Apply(device, arena, MatrixSide.Right, alone, TestData.Uniform(109 * sizes[i], 8)[..(5 * sizes[i])], sizes[i], 5);
                Assert.Equal(first[i][..(5 * sizes[i])], few);
            }
        }
    }

    /// <summary>The factor's layout is the contract's: what one device factored another applies.</summary>
    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AFactorMovesBetweenDevices(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        using Device other = TestDevice.OpenDefault();
        using var otherArena = new Arena(other);
        foreach (int n in new[] { 49, 150 })
        {
            const int k = 19;
            float[] matrix = SymmetricMatrices.PositiveDefinite(n, 12);
            VectorView<float> here = Factor(device, arena, matrix, n, Damping);
            VectorView<float> there = Factor(other, otherArena, matrix, n, Damping);
            float[] v = TestData.Uniform(k * n, 13);
            foreach (MatrixSide side in Enum.GetValues<MatrixSide>())
            {
                double[] expected = Product(side, Reference.DampedInverse.Run(TestData.ToDouble(matrix), n, Damping), v, n, k);
                double[] tolerance = [.. Enumerable.Repeat(Tolerance(n, 0.5, 5.25), expected.Length)];
                ErrorBound.AssertWithinAndSharp(
                    Apply(device, arena, side, Moved(other, there, arena), v, n, k), expected, tolerance, $"{side}, n = {n}, factored on the CPU");
                ErrorBound.AssertWithinAndSharp(
                    Apply(other, otherArena, side, Moved(device, here, otherArena), v, n, k), expected, tolerance, $"{side}, n = {n}, applied on the CPU");
            }
        }

        static VectorView<float> Moved(Device from, VectorView<float> factor, Arena to)
        {
            var values = new float[factor.Length];
            from.DefaultStream.Download(factor, values);
            VectorView<float> moved = to.Vector<float>(values.Length);
            to.Device.DefaultStream.Upload<float>(values, moved);
            return moved;
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void OneFailingItemLeavesTheOthersAlone(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[] sizes = [5, 130, 0, 64, 300, 1, 96, .. Enumerable.Repeat(3, 30)];  // more than a launch takes
        float[][] matrices = [.. sizes.Select(n => SymmetricMatrices.PositiveDefinite(n, 2))];
        matrices[1][(70 * 130) + 70] = -3;
        matrices[3][(40 * 64) + 11] = float.NaN;
        matrices[^1][8] = -1;
        foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
        {
            var status = new GuardedMatrix<int>(device.DefaultStream, arena, 1, sizes.Length);
            CholeskySolveItem[] items = [.. sizes.Select((n, i) => Item(device, arena, matrices[i], n, 0.5f))];
            CholeskySolve.Factor(device.DefaultStream, items, status.View.AsVector(), precision);
            Assert.Equal([0, 71, 0, 41, 0, 0, 0, .. Enumerable.Repeat(0, 29), 3], status.Read());
            status.AssertGuards();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void DoubleSucceedsWhereSingleFails(string key)
    {
        const int n = 120;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        var matrix = new float[n * n];
        Array.Fill(matrix, 1f);
        VectorView<int> status = arena.Vector<int>(1);
        CholeskySolveItem item = Item(device, arena, matrix, n, 1e-9f);
        CholeskySolve.Factor(device.DefaultStream, [item], status);
        Assert.Equal(2, device.DefaultStream.Read(status));
        CholeskySolve.Factor(device.DefaultStream, [item], status, InversePrecision.Double);
        Assert.Equal(0, device.DefaultStream.Read(status));
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AReciprocalBeyondTheRangeOfFloatIsReported(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        VectorView<int> status = arena.Vector<int>(1);
        foreach (InversePrecision precision in Enum.GetValues<InversePrecision>())
        {
            CholeskySolve.Factor(device.DefaultStream, [Item(device, arena, [1f, 0f, 0f, 1e-42f], 2, 0)], status, precision);
            Assert.Equal(2, device.DefaultStream.Read(status));
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void InPlaceIsTheSame(string key)
    {
        const int n = 150;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        VectorView<float> factor = Factor(device, arena, SymmetricMatrices.PositiveDefinite(n, 3), n, Damping);
        float[] values = TestData.Uniform(70 * n, 4);
        foreach (MatrixSide side in Enum.GetValues<MatrixSide>())
        {
            (int rows, int columns) = side == MatrixSide.Left ? (n, 70) : (70, n);
            GuardedMatrix<float> v = new GuardedMatrix<float>(device.DefaultStream, arena, rows, columns, gap: 2).Write(values);
            CholeskySolve.Apply(device.DefaultStream, side, factor, v.View, v.View);
            v.AssertGuards();
            Assert.Equal(Apply(device, arena, side, factor, values, n, 70), v.Read());
        }
    }

    /// <summary>Products of one call are cut into shares together; no cut may show in the bits.</summary>
    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ProductsTogetherAreThoseOfEachAlone(string key)
    {
        (int Size, int Vectors, MatrixSide Side)[] cases =
        [
            (150, 70, MatrixSide.Right), (0, 3, MatrixSide.Right), (97, 1, MatrixSide.Left), (47, 225, MatrixSide.Right), (49, 0, MatrixSide.Left),
            (200, 13, MatrixSide.Left),
        ];
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<float>[] factors = [.. cases.Select(c => Factor(device, arena, SymmetricMatrices.PositiveDefinite(c.Size, 3), c.Size, Damping))];
        float[][] values = [.. cases.Select((c, i) => TestData.Uniform(c.Size * c.Vectors, (ulong)i + 5))];
        GuardedMatrix<float>[] vectors = [.. cases.Select((c, i) => Matrix(c).Write(values[i]))];
        GuardedMatrix<float>[] results = [.. cases.Select(Matrix)];
        CholeskySolve.Apply(
            stream, [.. cases.Select((c, i) => new CholeskySolveProduct(c.Side, factors[i], vectors[i].View, results[i].View))]);
        for (int i = 0; i < cases.Length; i++)
        {
            results[i].AssertGuards();
            Assert.Equal(Apply(device, arena, cases[i].Side, factors[i], values[i], cases[i].Size, cases[i].Vectors), results[i].Read());
        }

        GuardedMatrix<float> Matrix((int Size, int Vectors, MatrixSide Side) c) => c.Side == MatrixSide.Left
            ? new GuardedMatrix<float>(stream, arena, c.Size, c.Vectors, gap: 2)
            : new GuardedMatrix<float>(stream, arena, c.Vectors, c.Size, gap: 2);
    }

    [Fact]
    public void RefusedCallsLeaveOutputsAlone()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<int> status = arena.Vector<int>(1);
        VectorView<float> factor = Factor(device, arena, SymmetricMatrices.PositiveDefinite(5, 1), 5, 1);
        var untouched = new GuardedMatrix<float>(stream, arena, 1, CholeskySolve.FactorLength(5));
        VectorView<float> target = untouched.View.AsVector();
        MatrixView<float> square = arena.Matrix<float>(5, 5);
        Refusal.Of(() => CholeskySolve.Factor(stream, [new CholeskySolveItem(arena.Matrix<float>(4, 5), 0, target)], status), untouched);
        Refusal.Of(() => CholeskySolve.Factor(stream, [new CholeskySolveItem(arena.Matrix<float>(49, 49), 0, target)], status), untouched);
        Refusal.Of(() => CholeskySolve.Factor(stream, [new CholeskySolveItem(square, -1, target)], status), untouched);
        Refusal.Of(() => CholeskySolve.Factor(stream, [new CholeskySolveItem(square, float.NaN, target)], status), untouched);
        Refusal.Of(() => CholeskySolve.Factor(stream, [new CholeskySolveItem(square, 0, target)], arena.Vector<int>(2)), untouched);
        Refusal.Of(() => CholeskySolve.Factor(stream, [new CholeskySolveItem(target.Slice(0, 25).AsMatrix(5, 5), 0, target)], status), untouched);

        var result = new GuardedMatrix<float>(stream, arena, 3, 5);
        MatrixView<float> v = arena.Matrix<float>(3, 5);
        Refusal.Of(() => CholeskySolve.Apply(stream, MatrixSide.Right, factor.Slice(0, 25), v, result.View), result);
        Refusal.Of(() => CholeskySolve.Apply(stream, MatrixSide.Right, factor, arena.Matrix<float>(4, 5), result.View), result);
        Refusal.Of(() => CholeskySolve.Apply(stream, MatrixSide.Right, factor, arena.Matrix<float>(3, 49), result.View), result);

        CholeskySolveProduct product = new(MatrixSide.Right, factor, v, result.View);
        Refusal.Of(() => CholeskySolve.Apply(stream, [product, product]), result);
        Refusal.Of(() => CholeskySolve.Apply(stream, [product, product with { Vectors = result.View, Result = arena.Matrix<float>(3, 5) }]), result);

        using var stale = new Arena(device);
        VectorView<float> staleFactor = stale.Vector<float>(CholeskySolve.FactorLength(5));
        Refusal.OfStaleViews(stale, () => CholeskySolve.Apply(stream, MatrixSide.Right, staleFactor, v, v));
    }

    [Fact]
    public void AllocatesNothingOnTheManagedHeap()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        CholeskySolveItem[] items = [.. new[] { 200, 30, 40 }.Select(n => Item(device, arena, SymmetricMatrices.PositiveDefinite(n, 1), n, 0.1f))];
        VectorView<int> status = arena.Vector<int>(3);
        MatrixView<float> v = arena.Matrix<float>(100, 200);
        Elementwise.Fill(stream, 1, v);
        CholeskySolve.Factor(stream, items, status);
        CholeskySolve.Apply(stream, MatrixSide.Right, items[0].Factor, v, v);
        long before = GC.GetAllocatedBytesForCurrentThread();
        CholeskySolve.Factor(stream, items, status);
        CholeskySolve.Apply(stream, MatrixSide.Right, items[0].Factor, v, v);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    /// <summary>The contract's bound for one vector of elements up to 1; the constant is 2.</summary>
    private static double Tolerance(int n, double smallest, double largest) =>
        2 * ErrorBound.Gamma(n + 2) * (largest / smallest) * Math.Sqrt(n) / smallest;

    private static double LargestError(float[] actual, double[] expected) => actual.Zip(expected, (a, e) => Math.Abs(a - e)).Max();

    private static double[] Product(MatrixSide side, double[] inverse, float[] v, int n, int k) => side == MatrixSide.Left
        ? GemmReference.Multiply(false, false, 1, inverse, TestData.ToDouble(v), 0, [], n, k, n)
        : GemmReference.Multiply(false, false, 1, TestData.ToDouble(v), inverse, 0, [], k, n, n);

    private static CholeskySolveItem Item(Device device, Arena arena, float[] matrix, int n, float damping) => new(
        new GuardedMatrix<float>(device.DefaultStream, arena, n, n, n % 3, n % 2).Write(SymmetricMatrices.LowerOnly(matrix, n)).View,
        damping,
        arena.Vector<float>(CholeskySolve.FactorLength(n)));

    private static VectorView<float> Factor(
        Device device, Arena arena, float[] matrix, int n, float damping, InversePrecision precision = InversePrecision.Single)
    {
        var factor = new GuardedMatrix<float>(device.DefaultStream, arena, 1, CholeskySolve.FactorLength(n));
        VectorView<int> status = arena.Vector<int>(1);
        CholeskySolveItem item = Item(device, arena, matrix, n, damping) with { Factor = factor.View.AsVector() };
        CholeskySolve.Factor(device.DefaultStream, [item], status, precision);
        Assert.Equal(0, device.DefaultStream.Read(status));
        factor.AssertGuards();
        return item.Factor;
    }

    private static List<VectorView<float>> Together(Device device, Arena arena, int[] sizes)
    {
        CholeskySolveItem[] items = [.. sizes.Select(n => Item(device, arena, SymmetricMatrices.PositiveDefinite(n, 9), n, Damping))];
        CholeskySolve.Factor(device.DefaultStream, items, arena.Vector<int>(sizes.Length));
        return [.. items.Select(static item => item.Factor)];
    }

    private static float[] Apply(Device device, Arena arena, MatrixSide side, VectorView<float> factor, float[] v, int n, int k)
    {
        DeviceStream stream = device.DefaultStream;
        (int rows, int columns) = side == MatrixSide.Left ? (n, k) : (k, n);
        MatrixView<float> vectors = new GuardedMatrix<float>(stream, arena, rows, columns, gap: 3, offset: 1).Write(v).View;
        var result = new GuardedMatrix<float>(stream, arena, rows, columns, gap: 1);
        CholeskySolve.Apply(stream, side, factor, vectors, result.View);
        result.AssertGuards();
        return result.Read();
    }

    private static float[] ByInverse(Device device, Arena arena, float[] matrix, float[] v, int n, int k)
    {
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> inverse = arena.Matrix<float>(n, n);
        VectorView<int> status = arena.Vector<int>(1);
        DampedInverse.Run(stream, [new DampedInverseItem(Guarded(n, n, matrix), 0, inverse)], status);
        Assert.Equal(0, stream.Read(status));
        var result = new GuardedMatrix<float>(stream, arena, k, n);
        Gemm.Run(stream, Transpose.No, Transpose.No, 1, Guarded(k, n, v), inverse, 0, result.View);
        return result.Read();

        MatrixView<float> Guarded(int rows, int columns, float[] values) => new GuardedMatrix<float>(stream, arena, rows, columns).Write(values).View;
    }
}
