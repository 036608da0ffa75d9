using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ElementwiseTests
{
    private const double SmallestSubnormal = 1.4e-45;

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void FillAndCopyAreExact(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] values = TestData.Uniform(shape.Length, 1);
            GuardedMatrix<float> x = shape.New(device, arena, values, extraGap: 2);
            GuardedMatrix<float> y = shape.New(device, arena);
            Elementwise.Copy(device.DefaultStream, x.View, y.View);
            Assert.Equal(values, y.Read());
            Elementwise.Fill(device.DefaultStream, 2.5f, y.View);
            Assert.All(y.Read(), value => Assert.Equal(2.5f, value));
            AssertGuards(x, y);
            arena.Reset();
        }
    }

    [Theory]
    [InlineData(VectorWidth.Portable, 0)]
    [InlineData(VectorWidth.Avx2, 0)]
    [InlineData(VectorWidth.Avx512, 0)]
    [InlineData(VectorWidth.Avx512, 3)]
    public void WhatIsLargerThanCachesIsCopiedWhole(VectorWidth vectors, int offset)
    {
        const int Length = (9 << 20) + 21;
        using Device device = Device.Open("cpu", new DeviceOptions { Threads = 2, MaxVectorWidth = vectors });
        using var arena = new Arena(device);
        VectorView<float> x = arena.Vector<float>(Length);
        VectorView<float> guarded = arena.Vector<float>(Length + offset + 1);
        VectorView<float> y = guarded.Slice(offset, Length);
        Philox.Uniform(device.DefaultStream, default, 0, x);
        Elementwise.Fill(device.DefaultStream, -1, guarded.AsMatrix(1, guarded.Length));
        Elementwise.Copy(device.DefaultStream, x.AsMatrix(1, Length), y.AsMatrix(1, Length));
        var expected = new float[Length];
        var actual = new float[Length + offset + 1];
        device.DefaultStream.Download(x, expected);
        device.DefaultStream.Download(guarded, actual);
        Assert.True(expected.AsSpan().SequenceEqual(actual.AsSpan(offset, Length)));
        Assert.Equal(-1, actual[^1]);
        Assert.All(actual[..offset], static value => Assert.Equal(-1, value));
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AxpbyIsWithinTwoRoundings(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            foreach ((float alpha, float beta) in new[] { (1.5f, 0f), (-0.3f, 1f), (0.7f, 0.9f), (0f, 2f) })
            {
                float[] xs = TestData.Uniform(shape.Length, 1);
                float[] ys = TestData.Uniform(shape.Length, 2);
                GuardedMatrix<float> x = shape.New(device, arena, xs, extraGap: 1);
                GuardedMatrix<float> y = shape.New(device, arena, beta == 0 ? null : ys);
                Elementwise.Axpby(device.DefaultStream, alpha, x.View, beta, y.View);
                double[] expected = ElementwiseReference.Axpby(alpha, TestData.ToDouble(xs), beta, TestData.ToDouble(ys));
                double[] tolerance = [.. xs.Zip(ys, (a, b) =>
                    ErrorBound.Gamma(2) * (Math.Abs((double)alpha * a) + Math.Abs((double)beta * b)))];
                ErrorBound.AssertWithinAndSharp(y.Read(), expected, tolerance, $"axpby {shape}");
                AssertGuards(x, y);
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AddRowReachesEveryRow(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] rows = TestData.Uniform(shape.Columns, 1);
            float[] ys = TestData.Uniform(shape.Length, 2);
            var row = new GuardedMatrix<float>(device.DefaultStream, arena, 1, shape.Columns, 0, 1);
            row.Write(rows);
            GuardedMatrix<float> y = shape.New(device, arena, ys);
            Elementwise.AddRow(device.DefaultStream, row.View.AsVector(), y.View);
            double[] expected = ElementwiseReference.AddRow(TestData.ToDouble(rows), TestData.ToDouble(ys));
            ErrorBound.AssertWithinAndSharp(
                y.Read(), expected, [.. expected.Select(e => ErrorBound.Gamma(1) * Math.Abs(e))], $"add row {shape}");
            AssertGuards(row, y);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void KroneckerDivideIsWithinThreeRoundings(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] vs = TestData.Uniform(shape.Length, 1);
            float[] b = [.. TestData.Uniform(shape.Rows, 2).Select(v => v + 1.5f)];
            float[] a = [.. TestData.Uniform(shape.Columns, 3).Select(v => v + 1.5f)];
            GuardedMatrix<float> v = shape.New(device, arena, vs, extraGap: 1);
            GuardedMatrix<float> u = shape.New(device, arena);
            VectorView<float> bView = arena.Vector<float>(b.Length);
            VectorView<float> aView = arena.Vector<float>(a.Length);
            device.DefaultStream.Upload(b, bView);
            device.DefaultStream.Upload(a, aView);
            Elementwise.KroneckerDivide(device.DefaultStream, v.View, bView, aView, 0.01f, u.View);
            double[] expected = ElementwiseReference.KroneckerDivide(
                TestData.ToDouble(vs), TestData.ToDouble(b), TestData.ToDouble(a), 0.01f);
            double[] tolerance = [.. expected.Select(e => (ErrorBound.Gamma(3) * Math.Abs(e)) + SmallestSubnormal)];
            ErrorBound.AssertWithinAndSharp(u.Read(), expected, tolerance, $"divide {shape}");
            AssertGuards(v, u);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void InPlaceMeansTheSame(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        float[] values = TestData.Uniform(7 * 33, 1);
        GuardedMatrix<float> apart = new GuardedMatrix<float>(stream, arena, 7, 33, 2).Write(values);
        GuardedMatrix<float> inPlace = new GuardedMatrix<float>(stream, arena, 7, 33, 2).Write(values);
        GuardedMatrix<float> source = new GuardedMatrix<float>(stream, arena, 7, 33, 2).Write(values);
        Elementwise.Axpby(stream, 0.5f, source.View, 2, apart.View);
        Elementwise.Axpby(stream, 0.5f, inPlace.View, 2, inPlace.View);
        Assert.Equal(apart.Read(), inPlace.Read());
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void NaNStaysNaNAndZeroBetaDoesNotReadIt(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 1, 3).Write([1, float.NaN, 3]);
        var y = new GuardedMatrix<float>(stream, arena, 1, 3);
        Elementwise.Axpby(stream, 2, x.View, 0, y.View);
        Assert.Equal([2, float.NaN, 6], y.Read());
        Elementwise.Axpby(stream, 0, x.View, 1, y.View);
        Assert.Equal([2, float.NaN, 6], y.Read());
    }

    [Fact]
    public void RefusesWhatDoesNotFit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var y = new GuardedMatrix<float>(stream, arena, 4, 5, 1);
        MatrixView<float> other = arena.Matrix<float>(5, 4);
        VectorView<float> four = arena.Vector<float>(4);
        VectorView<float> five = arena.Vector<float>(5);
        Refusal.Of(() => Elementwise.Copy(stream, other, y.View), y);
        Refusal.Of(() => Elementwise.Axpby(stream, 1, other, 1, y.View), y);
        Refusal.Of(() => Elementwise.Axpby(stream, float.NaN, y.View, 1, y.View), y);
        Refusal.Of(() => Elementwise.AddRow(stream, four, y.View), y);
        Refusal.Of(() => Elementwise.KroneckerDivide(stream, y.View, five, five, 1, y.View), y);
        Refusal.Of(() => Elementwise.KroneckerDivide(stream, y.View, four, four, 1, y.View), y);
        Refusal.Of(() => Elementwise.KroneckerDivide(stream, y.View, four, five, float.PositiveInfinity, y.View), y);
        Refusal.Of(() => Elementwise.Copy(stream, y.View.Slice(0, 0, 3, 5), y.View.Slice(1, 0, 3, 5)), y);
        Refusal.Of(() => Elementwise.AddRow(stream, y.View.Row(2), y.View), y);
        Assert.Throws<ArgumentNullException>(() => Elementwise.Fill(null!, 0, y.View));
        Refusal.OfStaleViews(arena, () => Elementwise.Fill(stream, 0, y.View));
    }

    private static void AssertGuards(GuardedMatrix<float> first, GuardedMatrix<float> second)
    {
        first.AssertGuards();
        second.AssertGuards();
    }
}
