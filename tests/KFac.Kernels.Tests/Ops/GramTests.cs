using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class GramTests
{
    private static readonly int[] s_widths = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 47, 48, 49, 63, 96, 97, 145];
    private static readonly (float Alpha, float Beta)[] s_scalars = [(1, 0), (0.25f, 1), (-0.75f, 0.5f), (0, 0.5f)];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Expand_agrees_with_float64_over_tile_edges(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[] rows = [0, 1, 2, 5, 31, 64, 100];
        for (int i = 0; i < s_widths.Length * rows.Length; i++)
        {
            (float alpha, float beta) = s_scalars[i % s_scalars.Length];
            int[] offsets = SegmentReduceReference.UniformOffsets(rows[i / s_widths.Length], 1);
            new Case(Setting.Expand, SharingScale.Sum, i % 3 == 0, alpha, beta, s_widths[i % s_widths.Length], offsets).Check(device, arena);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Expand_agrees_with_float64_across_blocks_and_chunks_of_rows(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        new Case(Setting.Expand, SharingScale.Sum, true, 0.5f, 0.5f, 500, SegmentReduceReference.UniformOffsets(300, 1)).Check(device, arena);
        new Case(Setting.Expand, SharingScale.Sum, true, 2, -1, 33, SegmentReduceReference.UniformOffsets(8200, 1)).Check(device, arena);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Reduce_agrees_with_float64(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[][] shapes = [[0, 3], [1, 1], [3, 7], [17, 1], [9, 16]];
        for (int i = 0; i < shapes.Length * s_widths.Length; i++)
        {
            (float alpha, float beta) = s_scalars[i % s_scalars.Length];
            int[] shape = shapes[i / s_widths.Length];
            int[] offsets = SegmentReduceReference.UniformOffsets(shape[0], shape[1]);
            var scale = (SharingScale)(i % 3);
            new Case(Setting.Reduce, scale, i % 2 == 0, alpha, beta, s_widths[i % s_widths.Length], offsets).Check(device, arena);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Ragged_reduce_agrees_with_float64_and_examples_without_rows_contribute_zero(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[][] batches = [[0], [0, 0], [0, 1], [0, 0, 4, 4, 5, 21, 21], [0, 30, 31, 33, 36, 36, 100]];
        for (int i = 0; i < batches.Length * s_widths.Length; i++)
        {
            (float alpha, float beta) = s_scalars[i % s_scalars.Length];
            var scale = (SharingScale)(i % 3);
            int[] offsets = batches[i / s_widths.Length];
            new Case(Setting.Ragged, scale, i % 2 == 0, alpha, beta, s_widths[i % s_widths.Length], offsets).Check(device, arena);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Many_examples_of_few_rows_agree_with_float64(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[] ragged = [0, .. Enumerable.Range(1, 300).Select(static i => i + (i % 7 * (i % 3)))];
        Array.Sort(ragged);
        int[] widths = [47, 48, 65, 113, 399, 401];
        for (int i = 0; i < widths.Length; i++)
        {
            (float alpha, float beta) = s_scalars[i % s_scalars.Length];
            int width = widths[i];
            if (!TestDevice.Affords(device, 300.0 * width * width))
            {
                continue;
            }

            var scale = (SharingScale)(i % 3);
            new Case(Setting.Reduce, scale, i % 2 == 0, alpha, beta, width, SegmentReduceReference.UniformOffsets(256 + (i * 7), 1 + (i % 5))).Check(device, arena);
            new Case(Setting.Ragged, scale, i % 2 == 1, alpha, beta, width, ragged).Check(device, arena);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_few_rows_of_many_columns_agree_with_float64(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int[] widths = [479, 480, 481, 541, 576];
        for (int i = 0; i < widths.Length * s_scalars.Length; i++)
        {
            (float alpha, float beta) = s_scalars[i % s_scalars.Length];
            int[] offsets = SegmentReduceReference.UniformOffsets(1 + (i * 47 / 19), 1 + (i % 2));
            new Case(i % 2 == 0 ? Setting.Expand : Setting.Reduce, (SharingScale)(i % 3), i % 4 == 1, alpha, beta, widths[i / s_scalars.Length], offsets).Check(device, arena);
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_factor_larger_than_caches_has_the_bits_of_its_parts(string key)
    {
        const int Rows = 3, Width = 1072;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(Rows, Width);
        MatrixView<float> gram = arena.Matrix<float>(Width, Width);
        stream.Upload(TestData.Uniform(Rows * Width, 1), x);
        Gram.Expand(stream, x, 0.5f, 0, gram);
        MatrixView<float> part = arena.Matrix<float>(100, 100);
        for (int start = 0; start < Width; start += 81)
        {
            int size = Math.Min(100, Width - start);
            Gram.Expand(stream, x.Slice(0, start, Rows, size), 0.5f, 0, part.Slice(0, 0, size, size));
            var expected = new float[size * size];
            var actual = new float[size * size];
            stream.Download(part.Slice(0, 0, size, size), expected);
            stream.Download(gram.Slice(start, start, size, size), actual);
            Assert.Equal(expected, actual);
        }

        var all = new float[Width * Width];
        stream.Download(gram, all);
        for (int i = 0; i < all.Length; i++)
        {
            Assert.Equal(all[i], all[(i % Width * Width) + (i / Width)]);
        }
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        foreach ((int rows, int columns) in new[] { (100, 600), (9000, 70), (20, 600) })
        {
            float[] one = Factor(1, rows, columns);
            Assert.Equal(one, Factor(2, rows, columns));
            Assert.Equal(one, Factor(3, rows, columns));
            Assert.Equal(one, Factor(8, rows, columns));
        }

        static float[] Factor(int threads, int rows, int columns)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, rows, columns).Write(TestData.Uniform(rows * columns, 1));
            var gram = new GuardedMatrix<float>(stream, arena, columns + 1, columns + 1);
            var reduced = new GuardedMatrix<float>(stream, arena, columns, columns);
            Gram.Expand(stream, x.View, 0.3f, 0, gram.View, appendOnes: true);
            Gram.Reduce(stream, x.View, 2, SharingScale.Mean, 0.3f, 0, reduced.View);
            return [.. gram.Read(), .. reduced.Read()];
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Only_the_lower_triangle_of_the_old_matrix_is_read(string key)
    {
        OnlyTheLowerTriangleIsRead(key, 53);
        OnlyTheLowerTriangleIsRead(key, 500);
    }

    private static void OnlyTheLowerTriangleIsRead(string key, int width)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 4, width).Write(TestData.Uniform(4 * width, 1));
        float[] lower = new float[width * width];
        for (int i = 0; i < lower.Length; i++)
        {
            lower[i] = i % width > i / width ? float.NaN : i;
        }

        GuardedMatrix<float> gram = new GuardedMatrix<float>(stream, arena, width, width).Write(lower);
        Gram.Expand(stream, x.View, 1, 0.5f, gram.View);
        Assert.DoesNotContain(float.NaN, gram.Read());
    }

    [Fact]
    public void A_nan_reaches_its_row_and_column_and_nothing_else()
    {
        const int Width = 60;
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        float[] values = TestData.Uniform(9 * Width, 1);
        values[(4 * Width) + 50] = float.NaN;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 9, Width).Write(values);
        var gram = new GuardedMatrix<float>(stream, arena, Width, Width);
        Gram.Expand(stream, x.View, 1, 0, gram.View);
        float[] result = gram.Read();
        for (int i = 0; i < result.Length; i++)
        {
            Assert.Equal(i / Width == 50 || i % Width == 50, float.IsNaN(result[i]));
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(6, 4);
        GuardedMatrix<float> gram = new GuardedMatrix<float>(stream, arena, 4, 4).Write(TestData.Uniform(16, 1));
        float[] before = gram.Read();
        SegmentOffsets offsets = SegmentOffsets.FromOffsets(stream, arena, [0, 2, 5]);

        Assert.Throws<ArgumentException>(() => Gram.Expand(stream, x, 1, 0, gram.View, appendOnes: true));
        Assert.Throws<ArgumentException>(() => Gram.Expand(stream, gram.View, 1, 0, gram.View));
        Assert.Throws<ArgumentException>(() => Gram.Expand(stream, x, float.NaN, 0, gram.View));
        Assert.Throws<ArgumentException>(() => Gram.Expand(stream, x, 1, float.NegativeInfinity, gram.View));
        Assert.Throws<ArgumentException>(() => Gram.Reduce(stream, x, 4, SharingScale.Mean, 1, 0, gram.View));
        Assert.Throws<ArgumentOutOfRangeException>(() => Gram.Reduce(stream, x, 0, SharingScale.Mean, 1, 0, gram.View));
        Assert.Throws<ArgumentException>(() => Gram.Reduce(stream, x, offsets, SharingScale.Mean, 1, 0, gram.View));
        Assert.Throws<ArgumentNullException>(() => Gram.Reduce(stream, x, null!, SharingScale.Mean, 1, 0, gram.View));
        using (var scoped = new Arena(device))
        {
            MatrixView<float> stale = scoped.Matrix<float>(6, 4);
            scoped.Reset();
            Assert.Throws<InvalidOperationException>(() => Gram.Expand(stream, stale, 1, 0, gram.View));
        }

        Assert.Equal(before, gram.Read());
    }

    private enum Setting
    {
        Expand,
        Reduce,
        Ragged,
    }

    private sealed record Case(Setting Setting, SharingScale Scale, bool AppendOnes, float Alpha, float Beta, int Columns, int[] Offsets)
    {
        private int Width => Columns + (AppendOnes ? 1 : 0);

        public void Check(Device device, Arena arena)
        {
            DeviceStream stream = device.DefaultStream;
            int rows = Offsets[^1];
            float[] values = TestData.Uniform(rows * Columns, 1);
            float[] old = Symmetric(Width);
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, rows, Columns, gap: Columns % 3, offset: 1).Write(values);
            var gram = new GuardedMatrix<float>(stream, arena, Width, Width, gap: rows % 4, offset: 2);
            if (Beta != 0)
            {
                gram.Write(old);
            }

            Run(stream, arena, x.View, gram.View);

            var scale = (ReferenceScale)Scale;
            double[] x64 = TestData.ToDouble(values), old64 = TestData.ToDouble(old);
            double[] expected = GramReference.Compute(x64, Columns, Offsets, scale, AppendOnes, Alpha, Beta, old64);
            double[] tolerance = GramReference.Magnitude(x64, Columns, Offsets, scale, AppendOnes, Alpha, Beta, old64);
            double gamma = ErrorBound.Gamma(Offsets.Length + 1) + (Setting == Setting.Expand ? 0 : 2 * ErrorBound.Gamma(LongestSegment() + 1));
            float[] actual = gram.Read();
            ErrorBound.AssertWithinAndSharp(actual, expected, Array.ConvertAll(tolerance, value => gamma * value), ToString());
            AssertSymmetric(actual);
            gram.AssertGuards();
        }

        private void Run(DeviceStream stream, Arena arena, MatrixView<float> x, MatrixView<float> gram)
        {
            switch (Setting)
            {
                case Setting.Expand:
                    Gram.Expand(stream, x, Alpha, Beta, gram, AppendOnes);
                    break;
                case Setting.Reduce:
                    Gram.Reduce(stream, x, Offsets.Length > 1 ? Offsets[1] : 3, Scale, Alpha, Beta, gram, AppendOnes);
                    break;
                default:
                    Gram.Reduce(stream, x, SegmentOffsets.FromOffsets(stream, arena, Offsets), Scale, Alpha, Beta, gram, AppendOnes);
                    break;
            }
        }

        private int LongestSegment() => Enumerable.Range(1, Offsets.Length - 1).Select(n => Offsets[n] - Offsets[n - 1]).DefaultIfEmpty().Max();

        private void AssertSymmetric(float[] actual)
        {
            for (int i = 0; i < actual.Length; i++)
            {
                Assert.Equal(actual[i], actual[(i % Width * Width) + (i / Width)]);
            }
        }

        private static float[] Symmetric(int width)
        {
            float[] values = TestData.Uniform(width * width, 3);
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = values[Math.Max(i / Math.Max(width, 1), i % Math.Max(width, 1)) * width + Math.Min(i / width, i % width)];
            }

            return values;
        }
    }
}
