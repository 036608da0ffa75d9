using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class DiagonalGramTests
{
    private static readonly (float Alpha, float Beta)[] s_scales = [(1, 0), (0.25f, 0.75f)];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Squares_agree_with_float64(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int rows in new[] { 0, 1, 2, 7, 8, 9, 17, 63, 64, 65, 129, 1031 })
        {
            foreach (int columns in new[] { 0, 1, 3, 4, 15, 16, 17, 33, 67, 129, 1100 })
            {
                if (rows * columns <= 150_000)
                {
                    CheckExpand(device, arena, rows, columns, (rows + columns) % 3);
                }
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void One_hot_rows_agree_with_float64_expanded_and_reduced(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int examples, int sharing) in new[] { (0, 2), (1, 1), (2, 3), (7, 1), (5, 16), (33, 9), (1, 70), (3, 257) })
        {
            foreach (int width in new[] { 0, 1, 2, 5, 31, 32, 33, 97, 300 })
            {
                int[] ones = SegmentReduceReference.UniformOffsets(examples * sharing, 1);
                CheckOneHot(device, arena, width, ones, SharingScale.Sum, (stream, ids, alpha, beta, diagonal) =>
                    DiagonalGram.OneHotExpand(stream, ids, alpha, beta, diagonal));
                int[] offsets = SegmentReduceReference.UniformOffsets(examples, sharing);
                CheckOneHot(device, arena, width, offsets, SharingScale.Mean, (stream, ids, alpha, beta, diagonal) =>
                    DiagonalGram.OneHotReduce(stream, ids, sharing, SharingScale.Mean, alpha, beta, diagonal));
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Ragged_one_hot_rows_agree_with_float64(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int[] offsets in new int[][] { [0], [0, 0], [0, 3], [0, 0, 4, 4, 5, 21, 21], [0, 130, 131, 133, 136, 136, 200] })
        {
            foreach (SharingScale scale in Enum.GetValues<SharingScale>())
            {
                CheckOneHot(device, arena, 23, offsets, scale, (stream, ids, alpha, beta, diagonal) =>
                {
                    using var own = new Arena(device);
                    DiagonalGram.OneHotReduce(stream, ids, SegmentOffsets.FromOffsets(stream, own, offsets), scale, alpha, beta, diagonal);
                });
            }
        }
    }

    [Fact]
    public void Bits_do_not_depend_on_threads()
    {
        float[] one = Squares(1);
        Assert.Equal(one, Squares(2));
        Assert.Equal(one, Squares(3));

        static float[] Squares(int threads)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            MatrixView<float> x = arena.Matrix<float>(700, 900);
            device.DefaultStream.Upload(TestData.Uniform(700 * 900, 1), x);
            VectorView<float> diagonal = arena.Vector<float>(900);
            DiagonalGram.Expand(device.DefaultStream, x, 1, 0, diagonal);
            var result = new float[900];
            device.DefaultStream.Download(diagonal, result);
            return result;
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Not_a_number_reaches_its_column_and_wrong_calls_are_refused(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(3, 4);
        stream.Upload([1, 2, 3, 4, 5, float.NaN, 7, 8, 9, 10, float.PositiveInfinity, 12], x);
        GuardedMatrix<float> output = new(stream, arena, 1, 4);
        VectorView<int> ids = arena.Vector<int>(6);
        DiagonalGram.Expand(stream, x, 1, 0, output.View.Row(0));

        Assert.Equal([107f, float.NaN, float.PositiveInfinity, 224f], output.Read());
        Refusal.Of(() => DiagonalGram.Expand(stream, x, 1, 0, output.View.Row(0).Slice(0, 3)), output);
        Refusal.Of(() => DiagonalGram.Expand(stream, x, float.NaN, 0, output.View.Row(0)), output);
        Refusal.Of(() => DiagonalGram.OneHotReduce(stream, ids, 4, SharingScale.Mean, 1, 0, output.View.Row(0)), output);
        Refusal.Of(() => DiagonalGram.OneHotReduce(stream, ids, 0, SharingScale.Mean, 1, 0, output.View.Row(0)), output);
        Refusal.Of(() => DiagonalGram.Expand(stream, x, 1, 0, x.Row(0)));

        Refusal.OfStaleViews(arena, () => DiagonalGram.Expand(stream, x, 1, 0, output.View.Row(0)));
    }

    private static void CheckExpand(Device device, Arena arena, int rows, int columns, int placing)
    {
        DeviceStream stream = device.DefaultStream;
        float[] x = TestData.Uniform(rows * columns, (ulong)(rows + columns));
        int[] offsets = SegmentReduceReference.UniformOffsets(rows, 1);
        foreach ((float alpha, float beta) in s_scales)
        {
            GuardedMatrix<float> input = new GuardedMatrix<float>(stream, arena, rows, columns, placing, placing).Write(x);
            float[] old = TestData.Uniform(columns, 9);
            var output = new GuardedMatrix<float>(stream, arena, 1, columns, 0, placing);
            output = beta == 0 ? output : output.Write(old);
            DiagonalGram.Expand(stream, input.View, alpha, beta, AsVector(output));
            Check(output, TestData.ToDouble(x), columns, offsets, SharingScale.Sum, alpha, beta, old, rows + 3);
            arena.Reset();
        }
    }

    private static void CheckOneHot(
        Device device, Arena arena, int width, int[] offsets, SharingScale scale, Action<DeviceStream, VectorView<int>, float, float, VectorView<float>> run)
    {
        DeviceStream stream = device.DefaultStream;
        int[] ids = [.. TestData.Integers(offsets[^1], width + 2, (ulong)width).Select(static id => id - 1)];
        foreach ((float alpha, float beta) in s_scales)
        {
            VectorView<int> input = arena.Vector<int>(ids.Length);
            stream.Upload(ids, input);
            float[] old = TestData.Uniform(width, 9);
            var output = new GuardedMatrix<float>(stream, arena, 1, width, 0, 1);
            output = beta == 0 ? output : output.Write(old);
            run(stream, input, alpha, beta, AsVector(output));
            Check(output, DiagonalGramReference.OneHot(ids, width), width, offsets, scale, alpha, beta, old, 4);
            arena.Reset();
        }
    }

    private static void Check(
        GuardedMatrix<float> output, double[] x, int columns, int[] offsets, SharingScale scale, float alpha, float beta, float[] old, int roundings)
    {
        double[] before = TestData.ToDouble(old);
        var kind = (ReferenceScale)scale;
        double[] expected = DiagonalGramReference.Compute(x, columns, offsets, kind, alpha, beta, before);
        double[] terms = DiagonalGramReference.Compute(x, columns, offsets, kind, alpha, beta, Array.ConvertAll(before, Math.Abs));
        ErrorBound.AssertWithinAndSharp(
            output.Read(), expected, Array.ConvertAll(terms, term => ErrorBound.Gamma(roundings) * term), $"{offsets[^1]}×{columns} {scale}");
        output.AssertGuards();
    }

    private static VectorView<float> AsVector(GuardedMatrix<float> row) => row.View.AsVector();
}
