using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class GemmTests
{
    private static readonly (float Alpha, float Beta)[] s_scalars = [(1, 0), (1, 1), (-0.75f, 0.5f)];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64_for_every_transposition_over_tile_edges(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int m, int n, int k) in Shapes())
        {
            foreach (Transpose transposeA in Enum.GetValues<Transpose>())
            {
                foreach (Transpose transposeB in Enum.GetValues<Transpose>())
                {
                    (float alpha, float beta) = s_scalars[(m + n + k) % s_scalars.Length];
                    new Case(transposeA, transposeB, alpha, beta, m, n, k).Check(device.DefaultStream, arena);
                    arena.Reset();
                }
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64_across_several_blocks(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        new Case(Transpose.No, Transpose.No, 1, 0, 131, 300, 521).Check(device.DefaultStream, arena);
        new Case(Transpose.Yes, Transpose.Yes, 0.5f, -1, 487, 101, 259).Check(device.DefaultStream, arena);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Zero_alpha_scales_c_and_reads_neither_input(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        var a = new GuardedMatrix<float>(device.DefaultStream, arena, 5, 4);
        var b = new GuardedMatrix<float>(device.DefaultStream, arena, 4, 3);
        GuardedMatrix<float> c = new GuardedMatrix<float>(device.DefaultStream, arena, 5, 3, gap: 2).Write(TestData.Uniform(15, 1));
        float[] before = c.Read();
        Gemm.Run(device.DefaultStream, Transpose.No, Transpose.No, 0, a.View, b.View, 0.5f, c.View);
        Assert.Equal(before.Select(value => 0.5f * value), c.Read());
        c.AssertGuards();
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Stacked_products_have_the_bits_of_single_ones(string key)
    {
        const int Batch = 3, M = 9, N = 50, K = 17;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> a = new GuardedMatrix<float>(stream, arena, Batch * M, K, gap: 1).Write(TestData.Uniform(Batch * M * K, 1));
        GuardedMatrix<float> b = new GuardedMatrix<float>(stream, arena, Batch * N, K).Write(TestData.Uniform(Batch * K * N, 2));
        var stacked = new GuardedMatrix<float>(stream, arena, Batch * M, N, gap: 3);
        var single = new GuardedMatrix<float>(stream, arena, Batch * M, N);
        Gemm.RunStacked(stream, Transpose.No, Transpose.Yes, 2, a.View, b.View, 0, stacked.View, Batch);
        for (int i = 0; i < Batch; i++)
        {
            Gemm.Run(
                stream, Transpose.No, Transpose.Yes, 2, a.View.RowRange(i * M, M), b.View.RowRange(i * N, N), 0, single.View.RowRange(i * M, M));
        }

        Assert.Equal(single.Read(), stacked.Read());
        stacked.AssertGuards();
    }

    /// <summary>305 columns leave one alone in a vector of any width.</summary>
    [Theory]
    [InlineData(307)]
    [InlineData(305)]
    public void Any_number_of_threads_gives_the_same_bits(int columns)
    {
        float[] one = Product(1, columns);
        Assert.Equal(one, Product(2, columns));
        Assert.Equal(one, Product(3, columns));
        Assert.Equal(one, Product(7, columns));

        static float[] Product(int threads, int n)
        {
            const int M = 203, K = 401;
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> a = new GuardedMatrix<float>(stream, arena, M, K).Write(TestData.Uniform(M * K, 1));
            GuardedMatrix<float> b = new GuardedMatrix<float>(stream, arena, K, n).Write(TestData.Uniform(K * n, 2));
            GuardedMatrix<float> c = new GuardedMatrix<float>(stream, arena, M, n).Write(TestData.Uniform(M * n, 3));
            Gemm.Run(stream, Transpose.No, Transpose.No, 0.3f, a.View, b.View, 0.7f, c.View);
            return c.Read();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Nan_and_infinity_reach_the_elements_they_contribute_to_and_no_others(string key)
    {
        const int Size = 50;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        float[] values = Enumerable.Repeat(1f, Size * Size).ToArray();
        GuardedMatrix<float> b = new GuardedMatrix<float>(stream, arena, Size, Size).Write(values);
        values[(3 * Size) + 49] = float.NaN;
        values[(7 * Size) + 2] = float.PositiveInfinity;
        GuardedMatrix<float> a = new GuardedMatrix<float>(stream, arena, Size, Size).Write(values);
        var c = new GuardedMatrix<float>(stream, arena, Size, Size);
        Gemm.Run(stream, Transpose.No, Transpose.No, 1, a.View, b.View, 0, c.View);
        float[] result = c.Read();
        for (int i = 0; i < result.Length; i++)
        {
            Assert.Equal((i / Size) switch { 3 => float.NaN, 7 => float.PositiveInfinity, _ => Size }, result[i]);
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using Device other = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        using var foreign = new Arena(other);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> a = arena.Matrix<float>(4, 5);
        MatrixView<float> b = arena.Matrix<float>(5, 6);
        GuardedMatrix<float> c = new GuardedMatrix<float>(stream, arena, 4, 6).Write(TestData.Uniform(24, 1));
        float[] before = c.Read();

        AssertRefused<ArgumentException>("inner dimension", () => Run(a, a, c.View));
        AssertRefused<ArgumentException>("wanted 4×6", () => Run(a, b, c.View.Slice(0, 0, 4, 5)));
        AssertRefused<ArgumentException>("overlaps", () => Gemm.Run(stream, Transpose.No, Transpose.No, 1, c.View, arena.Matrix<float>(6, 6), 0, c.View));
        AssertRefused<ArgumentException>("finite", () => Gemm.Run(stream, Transpose.No, Transpose.No, float.NaN, a, b, 0, c.View));
        AssertRefused<ArgumentException>("finite", () => Gemm.Run(stream, Transpose.No, Transpose.No, 1, a, b, float.PositiveInfinity, c.View));
        AssertRefused<ArgumentException>("another device", () => Run(foreign.Matrix<float>(4, 5), b, c.View));
        AssertRefused<ArgumentException>("multiples of the batch", () => Gemm.RunStacked(stream, Transpose.No, Transpose.No, 1, a, b, 0, c.View, 3));
        using (var scoped = new Arena(device))
        {
            MatrixView<float> stale = scoped.Matrix<float>(4, 5);
            scoped.Reset();
            AssertRefused<InvalidOperationException>("reset", () => Run(stale, b, c.View));
            MatrixView<float> disposed = scoped.Matrix<float>(4, 5);
            scoped.Dispose();
            AssertRefused<ObjectDisposedException>("", () => Run(disposed, b, c.View));
        }

        Assert.Equal(before, c.Read());

        void Run(MatrixView<float> left, MatrixView<float> right, MatrixView<float> output) =>
            Gemm.Run(stream, Transpose.No, Transpose.No, 1, left, right, 0, output);

        static void AssertRefused<TException>(string message, Action action)
            where TException : Exception => Assert.Contains(message, Assert.Throws<TException>(action).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_product_allocates_nothing_once_warm()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> a = arena.Matrix<float>(100, 200);
        MatrixView<float> b = arena.Matrix<float>(200, 300);
        MatrixView<float> c = arena.Matrix<float>(100, 300);
        stream.Upload(new float[20000], a);
        stream.Upload(new float[60000], b);
        for (int i = 0; i < 3; i++)
        {
            Gemm.Run(stream, Transpose.No, Transpose.No, 1, a, b, 0, c);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        Gemm.Run(stream, Transpose.No, Transpose.No, 1, a, b, 0, c);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>Every edge size in every role, the other two drawn from the same list.</summary>
    private static IEnumerable<(int M, int N, int K)> Shapes()
    {
        IReadOnlyList<int> sizes = TestData.EdgeSizes;
        int[] drawn = TestData.Integers(6 * sizes.Count, sizes.Count, 5);
        for (int i = 0; i < sizes.Count; i++)
        {
            int Draw(int role) => sizes[drawn[(6 * i) + role]];
            yield return (sizes[i], Draw(0), Draw(1));
            yield return (Draw(2), sizes[i], Draw(3));
            yield return (Draw(4), Draw(5), sizes[i]);
        }
    }

    private sealed record Case(Transpose TransposeA, Transpose TransposeB, float Alpha, float Beta, int M, int N, int K)
    {
        public void Check(DeviceStream stream, Arena arena)
        {
            (int rowsA, int columnsA) = TransposeA == Transpose.No ? (M, K) : (K, M);
            (int rowsB, int columnsB) = TransposeB == Transpose.No ? (K, N) : (N, K);
            float[] valuesA = TestData.Uniform(M * K, 1);
            float[] valuesB = TestData.Uniform(K * N, 2);
            float[] valuesC = TestData.Uniform(M * N, 3);
            GuardedMatrix<float> a = new GuardedMatrix<float>(stream, arena, rowsA, columnsA, gap: M % 3, offset: 1).Write(valuesA);
            GuardedMatrix<float> b = new GuardedMatrix<float>(stream, arena, rowsB, columnsB, gap: N % 4).Write(valuesB);
            var c = new GuardedMatrix<float>(stream, arena, M, N, gap: K % 5, offset: 3);
            if (Beta != 0)
            {
                c.Write(valuesC);
            }

            Gemm.Run(stream, TransposeA, TransposeB, Alpha, a.View, b.View, Beta, c.View);

            bool ta = TransposeA == Transpose.Yes, tb = TransposeB == Transpose.Yes;
            double[] a64 = TestData.ToDouble(valuesA), b64 = TestData.ToDouble(valuesB), c64 = TestData.ToDouble(valuesC);
            double[] expected = GemmReference.Multiply(ta, tb, Alpha, a64, b64, Beta, c64, M, N, K);
            double[] tolerance = GemmReference.Magnitude(ta, tb, Alpha, a64, b64, Beta, c64, M, N, K);
            double gamma = ErrorBound.Gamma(K + 2);
            ErrorBound.AssertWithinAndSharp(c.Read(), expected, Array.ConvertAll(tolerance, value => gamma * value), ToString());
            c.AssertGuards();
        }
    }
}
