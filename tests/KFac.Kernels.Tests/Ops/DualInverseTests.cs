using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class DualInverseTests
{
    private const float Alpha = 0.03f;
    private const float Damping = 0.2f;

    private static readonly (int M, int P, int K)[] s_shapes =
    [
        (0, 5, 3), (1, 1, 1), (1, 17, 2), (2, 3, 0), (3, 2, 4), (7, 31, 5), (16, 48, 16), (17, 49, 15), (5, 0, 3),
        (33, 65, 97), (48, 129, 7), (63, 64, 65), (97, 96, 33), (100, 191, 20), (129, 257, 48),
    ];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AgreesWithTheInverseOfTheWholeMatrix(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int m, int p, int k) in s_shapes)
        {
            foreach (MatrixSide side in Enum.GetValues<MatrixSide>())
            {
                var problem = new Problem(device, arena, m, p, k, side, Alpha, Damping);
                double[] expected = problem.Expected();
                ErrorBound.AssertWithinAndSharp(problem.Run(), expected, problem.Tolerance(expected.Length), $"{side} {m}×{p}, {k} vectors");
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void GramIsTheProductOfTheRows(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int m, int p, _) in s_shapes)
        {
            float[] x = TestData.Uniform(m * p, 1);
            GuardedMatrix<float> gram = new(device.DefaultStream, arena, m, m, gap: p % 3, offset: 1);
            DualInverse.Gram(device.DefaultStream, new GuardedMatrix<float>(device.DefaultStream, arena, m, p, gap: 2).Write(x).View, Alpha, gram.View);

            double[] rows = TestData.ToDouble(x);
            double[] expected = GemmReference.Multiply(false, true, Alpha, rows, rows, 0, [], m, m, p);
            double[] magnitude = GemmReference.Magnitude(false, true, Alpha, rows, rows, 0, [], m, m, p);
            float[] actual = gram.Read();
            ErrorBound.AssertWithinAndSharp(actual, expected, [.. magnitude.Select(value => ErrorBound.Gamma(p + 2) * value)], $"{m}×{p}");
            gram.AssertGuards();
            for (int i = 0; i < m * m; i++)
            {
                Assert.Equal(actual[(i % m * m) + (i / m)], actual[i]);
            }

            arena.Reset();
        }
    }

    /// <summary>κ from 2 to 10⁵: the error grows as the bound says.</summary>
    [Theory]
    [InlineData(1f)]
    [InlineData(1e-2f)]
    [InlineData(1e-4f)]
    public void SmallDampingCostsWhatTheBoundSays(float damping)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var problem = new Problem(device, arena, 20, 90, 12, MatrixSide.Right, 0.05f, damping);
        double[] expected = problem.Expected();
        ErrorBound.AssertWithin(problem.Run(), expected, problem.Tolerance(expected.Length), $"λ = {damping}");
    }

    [Fact]
    public void SameBitsForAnyThreadCount()
    {
        foreach (MatrixSide side in Enum.GetValues<MatrixSide>())
        {
            float[][] results = [.. new[] { 1, 2, 3 }.Select(threads =>
            {
                using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
                using var arena = new Arena(device);
                return new Problem(device, arena, 130, 300, 190, side, Alpha, Damping).Run();
            })];
            Assert.Equal(results[0], results[1]);
            Assert.Equal(results[0], results[2]);
        }
    }

    [Fact]
    public void RefusedCallsLeaveTheResultAlone()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(3, 5);
        MatrixView<float> s = arena.Matrix<float>(3, 3);
        MatrixView<float> v = arena.Matrix<float>(4, 5);
        var result = new GuardedMatrix<float>(stream, arena, 4, 5);
        var gram = new GuardedMatrix<float>(stream, arena, 3, 3);
        Refusal.Of(() => Apply(x, s, v, 0), result);
        Refusal.Of(() => Apply(x, s, v, -1), result);
        Refusal.Of(() => Apply(x, s, v, float.NaN), result);
        Refusal.Of(() => Apply(x, s, v, 1e-40f), result);
        Refusal.Of(() => Apply(x, arena.Matrix<float>(5, 5), v, 1), result);
        Refusal.Of(() => Apply(arena.Matrix<float>(3, 4), s, v, 1), result);
        Refusal.Of(() => Apply(x, s, arena.Matrix<float>(5, 5), 1), result);
        Refusal.Of(() => Apply(x, s, result.View, 1), result);
        Refusal.Of(() => DualInverse.Apply(stream, MatrixSide.Left, x, 1, s, 1, v, result.View), result);
        Refusal.Of(() => DualInverse.Apply(stream, MatrixSide.Right, x, float.PositiveInfinity, s, 1, v, result.View), result);
        Refusal.Of(() => DualInverse.Gram(stream, arena.Matrix<float>(4, 5), 1, gram.View), gram);
        Refusal.Of(() => DualInverse.Gram(stream, gram.View, 1, gram.View), gram);
        Refusal.Of(() => DualInverse.Gram(stream, x, float.NaN, gram.View), gram);
        Refusal.OfStaleViews(arena, () => DualInverse.Gram(stream, x, 1, s));

        void Apply(MatrixView<float> rows, MatrixView<float> inverse, MatrixView<float> vectors, float damping) =>
            DualInverse.Apply(stream, MatrixSide.Right, rows, 1, inverse, damping, vectors, result.View);
    }

    /// <summary>Uniform rows and vectors, between guards, and the bound on the error.</summary>
    private sealed class Problem
    {
        private readonly Device _device;
        private readonly Arena _arena;
        private readonly (int M, int P, int K) _shape;
        private readonly MatrixSide _side;
        private readonly float _alpha;
        private readonly float _damping;
        private readonly float[] _x;
        private readonly float[] _v;

        public Problem(Device device, Arena arena, int m, int p, int k, MatrixSide side, float alpha, float damping)
        {
            (_device, _arena, _shape, _side, _alpha, _damping) = (device, arena, (m, p, k), side, alpha, damping);
            _x = TestData.Uniform(m * p, (ulong)(m + p));
            _v = TestData.Uniform(k * p, (ulong)(m + p + 1));
        }

        private bool IsLeft => _side == MatrixSide.Left;

        public double[] Expected() => DualInverseReference.Apply(
            IsLeft, TestData.ToDouble(_x), _shape.M, _shape.P, _alpha, _damping, TestData.ToDouble(_v), _shape.K);

        public float[] Run()
        {
            (int m, int p, int k) = _shape;
            DeviceStream stream = _device.DefaultStream;
            MatrixView<float> x = new GuardedMatrix<float>(stream, _arena, m, p, gap: 3, offset: 1).Write(_x).View;
            (int rows, int columns) = IsLeft ? (p, k) : (k, p);
            MatrixView<float> v = new GuardedMatrix<float>(stream, _arena, rows, columns, gap: 1).Write(_v).View;
            var result = new GuardedMatrix<float>(stream, _arena, rows, columns, gap: 5, offset: 1);
            MatrixView<float> gram = _arena.Matrix<float>(m, m);
            MatrixView<float> inverse = _arena.Matrix<float>(m, m);
            VectorView<int> status = _arena.Vector<int>(1);
            DualInverse.Gram(stream, x, _alpha, gram);
            DampedInverse.Run(stream, [new DampedInverseItem(gram, _damping, inverse)], status);
            Assert.Equal(0, stream.Read(status));
            DualInverse.Apply(stream, _side, x, _alpha, inverse, _damping, v, result.View);
            result.AssertGuards();
            return result.Read();
        }

        /// <summary>The contract's bound for one vector, with Frobenius norms above the 2-norms; the constant is 2.</summary>
        public double[] Tolerance(int length)
        {
            double square = _x.Sum(static value => (double)value * value);
            double condition = 1 + (_alpha * square / _damping);
            double bound = 2 * ErrorBound.Gamma(_shape.M + _shape.P) * Math.Pow(condition, 1.5) * Math.Sqrt(_shape.P) / _damping;
            return [.. Enumerable.Repeat(bound, length)];
        }
    }
}
