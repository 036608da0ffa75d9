using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ReductionTests
{
    private const double DoubleEpsilon = 1.1102230246251565e-16;

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void SumsAgreeWithTheReference(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] xs = TestData.Uniform(shape.Length, 1);
            float[] ys = TestData.Uniform(shape.Length, 2);
            GuardedMatrix<float> x = shape.New(device, arena, xs);
            GuardedMatrix<float> y = shape.New(device, arena, ys, extraGap: 1);
            VectorView<double> result = arena.Vector<double>(1);
            double tolerance = (shape.Length + 2) * DoubleEpsilon;

            Reduction.Sum(stream, x.View, result);
            Assert.Equal(xs.Sum(v => (double)v), stream.Read(result), tolerance * xs.Sum(v => Math.Abs((double)v)));
            Reduction.Dot(stream, x.View, y.View, result);
            double[] products = [.. xs.Zip(ys, (a, b) => (double)a * b)];
            Assert.Equal(products.Sum(), stream.Read(result), tolerance * products.Sum(Math.Abs));
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ColumnSumsRoundOnce(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] xs = TestData.Uniform(shape.Length, 1);
            float[] old = TestData.Uniform(shape.Columns, 2);
            GuardedMatrix<float> x = shape.New(device, arena, xs);
            foreach (float beta in new[] { 0, 0.75f })
            {
                var row = new GuardedMatrix<float>(device.DefaultStream, arena, 1, shape.Columns, 0, 1);
                if (beta != 0)
                {
                    row.Write(old);
                }

                Reduction.ColumnSum(device.DefaultStream, x.View, 0.5f, beta, row.View.AsVector());
                double[] expected = [.. old.Select((v, j) =>
                    (0.5 * Enumerable.Range(0, shape.Rows).Sum(i => (double)xs[(i * shape.Columns) + j])) + (beta * (double)v))];
                double[] tolerance = [.. expected.Select(e => (ErrorBound.Gamma(1) * Math.Abs(e)) + (shape.Rows * 1e-15))];
                ErrorBound.AssertWithinAndSharp(row.Read(), expected, tolerance, $"column sums {shape}");
                row.AssertGuards();
            }

            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void TraceAndAsymmetry(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (int n in TestData.EdgeSizes)
        {
            float[] xs = TestData.Uniform(n * n, 1);
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, n, n, n % 4, 1).Write(xs);
            VectorView<double> result = arena.Vector<double>(1);
            Reduction.Trace(stream, x.View, result);
            Assert.Equal(Enumerable.Range(0, n).Sum(i => (double)xs[(i * n) + i]), stream.Read(result), n * n * DoubleEpsilon);
            Reduction.MaxAsymmetry(stream, x.View, result);
            double asymmetry = Enumerable.Range(0, n * n).Select(i => Math.Abs((double)xs[i] - xs[(i % n * n) + (i / n)])).DefaultIfEmpty().Max();
            Assert.Equal(asymmetry, stream.Read(result));
            if (n > 0)
            {
                xs[(n - 1) * n] = float.NaN;
                x.Write(xs);
                Reduction.MaxAsymmetry(stream, x.View, result);
                Assert.Equal(double.NaN, stream.Read(result));
            }

            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void FirstNonFiniteIsTheFirstInRowOrder(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] xs = TestData.Uniform(shape.Length, 1);
            VectorView<long> result = arena.Vector<long>(1);
            GuardedMatrix<float> x = shape.New(device, arena, xs);
            Reduction.FirstNonFinite(stream, x.View, result);
            Assert.Equal(Reduction.None, stream.Read(result));
            foreach (int at in new[] { shape.Length - 1, (shape.Length * 2) / 3, 0 }.Where(i => i >= 0 && i < shape.Length))
            {
                xs[at] = at % 2 == 0 ? float.NaN : float.NegativeInfinity;
                x.Write(xs);
                Reduction.FirstNonFinite(stream, x.View, result);
                Assert.Equal(at, stream.Read(result));
            }

            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void CountCorrectTakesTheFirstOfEquals(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All.Where(s => s.Columns > 0))
        {
            // Few distinct scores, so that most rows have several largest.
            float[] xs = [.. TestData.Integers(shape.Length, 5, 3).Select(v => v - 2f)];
            int[] ys = [.. TestData.Integers(shape.Rows, shape.Columns + 1, 4).Select(v => v - 1)];
            for (int i = 0; i < shape.Rows; i += 2)
            {
                float[] row = xs[(i * shape.Columns)..((i + 1) * shape.Columns)];
                ys[i] = Array.IndexOf(row, row.Max());
            }

            int expected = Enumerable.Range(0, shape.Rows).Count(i =>
            {
                float[] row = xs[(i * shape.Columns)..((i + 1) * shape.Columns)];
                return Array.IndexOf(row, row.Max()) == ys[i];
            });
            GuardedMatrix<float> x = shape.New(device, arena, xs);
            VectorView<int> labels = arena.Vector<int>(shape.Rows);
            stream.Upload(ys, labels);
            VectorView<long> result = arena.Vector<long>(1);
            Reduction.CountCorrect(stream, x.View, labels, result);
            Assert.Equal(expected, stream.Read(result));
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ARowWithNaNIsNeverCorrect(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 2, 3).Write([float.NaN, 1, 2, 3, 1, 2]);
        VectorView<long> result = arena.Vector<long>(1);
        foreach (int label in new[] { 0, 1, 2 })
        {
            VectorView<int> labels = arena.Vector<int>(2);
            stream.Upload([label, 0], labels);
            Reduction.CountCorrect(stream, x.View, labels, result);
            Assert.Equal(1, stream.Read(result));
        }
    }

    [Fact]
    public void NeitherThreadsNorVectorsChangeABit()
    {
        float[] xs = TestData.Uniform(307 * 401, 1);
        float[] ys = TestData.Uniform(307 * 401, 2);
        var results = new List<(double, double, float[])>();
        foreach (string key in TestDevice.CpuKeys.Append("cpu/Widest/3"))
        {
            using Device device = TestDevice.Open(key);
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 307, 401, 3, 1).Write(xs);
            GuardedMatrix<float> y = new GuardedMatrix<float>(stream, arena, 307, 401).Write(ys);
            var row = new GuardedMatrix<float>(stream, arena, 1, 401);
            VectorView<double> sum = arena.Vector<double>(1);
            VectorView<double> dot = arena.Vector<double>(1);
            Reduction.Sum(stream, x.View, sum);
            Reduction.Dot(stream, x.View, y.View, dot);
            Reduction.ColumnSum(stream, x.View, 1, 0, row.View.AsVector());
            results.Add((stream.Read(sum), stream.Read(dot), row.Read()));
        }

        Assert.All(results, result =>
        {
            Assert.Equal(results[0].Item1, result.Item1);
            Assert.Equal(results[0].Item2, result.Item2);
            Assert.Equal(results[0].Item3, result.Item3);
        });
    }

    [Fact]
    public void RefusesWhatDoesNotFit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(3, 4);
        VectorView<double> one = arena.Vector<double>(1);
        var row = new GuardedMatrix<float>(stream, arena, 4, 4);
        Assert.Throws<ArgumentException>(() => Reduction.Sum(stream, x, arena.Vector<double>(2)));
        Assert.Throws<ArgumentException>(() => Reduction.Dot(stream, x, arena.Matrix<float>(4, 3), one));
        Assert.Throws<ArgumentException>(() => Reduction.Trace(stream, x, one));
        Assert.Throws<ArgumentException>(() => Reduction.MaxAsymmetry(stream, x, one));
        Assert.Throws<ArgumentException>(() => Reduction.CountCorrect(stream, x, arena.Vector<int>(4), arena.Vector<long>(1)));
        Refusal.Of(() => Reduction.ColumnSum(stream, arena.Matrix<float>(4, 3), 1, 0, row.View.Row(0)), row);
        Refusal.Of(() => Reduction.ColumnSum(stream, row.View, 1, 0, row.View.Row(1)), row);
        Refusal.Of(() => Reduction.ColumnSum(stream, x, float.NaN, 0, row.View.Row(0)), row);
        Refusal.OfStaleViews(arena, () => Reduction.Sum(stream, x, one));
    }
}
