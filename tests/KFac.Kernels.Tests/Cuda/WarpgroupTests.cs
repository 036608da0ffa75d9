using KFac.Kernels.Cuda;
using KFac.Reference;
using KFac.Testing;
using KFac.Testing.HostExecution;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Products by Hopper's warpgroup tensor cores and copy engine, on the host and where there is such a GPU. Bounds as in
/// <see cref="MatrixPrecisionTests"/>.</summary>
public sealed class WarpgroupTests
{
    private static readonly string[] s_keys = [.. TestDevice.Keys.Where(static key => key is TestDevice.CudaHost or TestDevice.CudaGpu)];

    /// <summary>Tiles and parts of them, whole slices and parts of one, fewer slices than are copied ahead and more; the last one
    /// is large enough for a large GPU to take the same tiles.</summary>
    private static readonly (int M, int N, int K)[] s_shapes =
        [(128, 256, 96), (100, 385, 131), (196, 250, 97), (250, 380, 100), (127, 255, 353), (1400, 3000, 200)];

    private static readonly (int Rows, int Width)[] s_grams = [(96, 256), (97, 250), (353, 255), (131, 380), (200, 1920)];

    public static TheoryData<string, MatrixPrecision> Cases
    {
        get
        {
            var cases = new TheoryData<string, MatrixPrecision>();
            foreach (string key in s_keys)
            {
                cases.Add(key, MatrixPrecision.Float32);
                cases.Add(key, MatrixPrecision.Tf32);
            }

            return cases;
        }
    }

    public static TheoryData<string> Keys { get; } = new(s_keys);

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Products_agree_with_float64(string key, MatrixPrecision precision)
    {
        using CudaDevice device = Open(key, precision);
        using var arena = new Arena(device);
        int index = 0;
        foreach ((int m, int n, int k) in s_shapes.Where(shape => TestDevice.Affords(device, (double)shape.M * shape.N * shape.K)))
        {
            // The host is slow: two layouts a shape there.
            foreach (int layout in device.Runtime is HostRuntime ? new[] { index++ % 4, index++ % 4 } : [0, 1, 2, 3])
            {
                Multiply(device, arena, (layout & 2) != 0, (layout & 1) != 0, m, n, k, batch: 1);
            }
        }

        AssertLaunched(
            device, ["nn", "nt", "tn", "tt"], $"gemm_warpgroup_{(precision == MatrixPrecision.Tf32 ? "tf32" : "split")}_");
    }

    [SkippableTheory]
    [MemberData(nameof(Keys))]
    public void Batches_and_ranges_of_depths_agree_with_float64(string key)
    {
        using (CudaDevice device = Open(key, MatrixPrecision.Float32))
        using (var arena = new Arena(device))
        {
            Multiply(device, arena, false, true, 128, 128, 96, batch: 3);
            Multiply(device, arena, true, false, 100, 250, 99, batch: 2);
            AssertLaunched(device, ["split_nt", "split_tn"], "gemm_warpgroup_");
        }

        using (CudaDevice device = Open(key, MatrixPrecision.Float32, multiprocessors: 3))
        using (var arena = new Arena(device))
        {
            Multiply(device, arena, false, false, 128, 128, 1100, batch: 1);
            AssertLaunched(device, ["gemm_warpgroup_split_nn", "gemm_finish"]);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Gram_matrices_agree_with_float64(string key, MatrixPrecision precision)
    {
        using CudaDevice device = Open(key, precision);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach ((int rows, int width) in s_grams.Where(shape => TestDevice.Affords(device, (double)shape.Rows * shape.Width * shape.Width)))
        {
            float[] values = TestData.Uniform(rows * width, 1);
            GuardedMatrix<float> x = Factor(stream, arena, rows, width).Write(values);
            var gram = new GuardedMatrix<float>(stream, arena, width + 1, width + 1, gap: 1);
            Gram.Expand(stream, x.View, 0.25f, 0, gram.View, appendOnes: true);

            int[] offsets = SegmentReduceReference.UniformOffsets(rows, 1);
            double[] x64 = TestData.ToDouble(values), old = new double[(width + 1) * (width + 1)];
            double[] expected = GramReference.Compute(x64, width, offsets, ReferenceScale.Sum, true, 0.25f, 0, old);
            double[] magnitude = GramReference.Magnitude(x64, width, offsets, ReferenceScale.Sum, true, 0.25f, 0, old);
            ErrorBound.AssertWithinAndSharp(
                gram.Read(), expected, Array.ConvertAll(magnitude, value => Bound(precision, rows) * value), $"{precision} {rows}×{width}");
            gram.AssertGuards();
            arena.Reset();
        }

        AssertLaunched(device, [$"gram_warpgroup_{(precision == MatrixPrecision.Tf32 ? "tf32" : "split")}"]);
    }

    [SkippableTheory]
    [MemberData(nameof(Keys))]
    public void Nan_and_infinity_reach_the_elements_they_contribute_to_and_no_others(string key)
    {
        const int Size = 130, Depth = 100;
        using CudaDevice device = Open(key, MatrixPrecision.Float32);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        float[] values = Enumerable.Repeat(1f, Size * Depth).ToArray();
        GuardedMatrix<float> b = Factor(stream, arena, Size, Depth).Write(values);
        values[(3 * Depth) + 49] = float.NaN;
        values[(129 * Depth) + 2] = float.PositiveInfinity;
        GuardedMatrix<float> a = Factor(stream, arena, Size, Depth).Write(values);
        var c = new GuardedMatrix<float>(stream, arena, Size, Size);
        Gemm.Run(stream, Transpose.No, Transpose.Yes, 1, a.View, b.View, 0, c.View);
        float[] result = c.Read();
        for (int i = 0; i < result.Length; i++)
        {
            Assert.Equal((i / Size) switch { 3 => float.NaN, 129 => float.PositiveInfinity, _ => Depth }, result[i]);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Keys))]
    public void Rows_that_bulk_copies_cannot_address_are_multiplied_elsewhere(string key)
    {
        using CudaDevice device = Open(key, MatrixPrecision.Float32);
        using var arena = new Arena(device);
        Multiply(device, arena, false, false, 128, 128, 97, batch: 1, misaligned: true);
        AssertLaunched(device, ["gemm_split_nn_large"]);
    }

    /// <summary>Tiles of 256 columns are half as many as the plan counted.</summary>
    [SkippableFact]
    public void Wide_tiles_are_not_taken_where_they_leave_multiprocessors_idle()
    {
        using CudaDevice device = Open(TestDevice.CudaHost, MatrixPrecision.Tf32, multiprocessors: 4);
        using var arena = new Arena(device);
        Multiply(device, arena, false, false, 256, 256, 128, batch: 1);
        AssertLaunched(device, ["gemm_tf32_nn_large"]);
        Multiply(device, arena, false, false, 512, 256, 128, batch: 1);
        AssertLaunched(device, ["gemm_warpgroup_tf32_nn"]);
    }

    /// <summary>An option that is set decides; else the variable does, and without one Hopper takes them. No other GPU ever does.</summary>
    [SkippableTheory]
    [InlineData(null, null, true)]
    [InlineData(null, "1", true)]
    [InlineData(null, "0", false)]
    [InlineData(true, "0", true)]
    [InlineData(false, "1", false)]
    public void Whether_they_are_taken_follows_option_and_variable(bool? option, string? variable, bool expected)
    {
        Skip.If(HostCompiler.Default is null, HostCompiler.Reason);
        string? before = Environment.GetEnvironmentVariable(DeviceOptions.WarpgroupsVariable);
        try
        {
            Environment.SetEnvironmentVariable(DeviceOptions.WarpgroupsVariable, variable);
            var options = new DeviceOptions { Warpgroups = option };
            using var hopper = new CudaDevice("cuda", new HostRuntime(HostProgram.ForLibrary(), HostRuntime.Hopper), options);
            using var ampere = new CudaDevice("cuda", new HostRuntime(HostProgram.ForLibrary(), HostRuntime.Ampere), options);
            Assert.Equal(expected, hopper.Warpgroups);
            Assert.False(ampere.Warpgroups);
            using var arena = new Arena(hopper);
            Multiply(hopper, arena, false, false, 128, 128, 96, batch: 1);
            AssertLaunched(hopper, [expected ? "gemm_warpgroup_split_nn" : "gemm_split_nn_large"]);
        }
        finally
        {
            Environment.SetEnvironmentVariable(DeviceOptions.WarpgroupsVariable, before);
        }
    }

    private static void Multiply(
        CudaDevice device, Arena arena, bool transposeA, bool transposeB, int m, int n, int k, int batch, bool misaligned = false)
    {
        DeviceStream stream = device.DefaultStream;
        float[][] valuesA = Matrices(1, m * k), valuesB = Matrices(2, k * n), valuesC = Matrices(3, m * n);
        (int rowsA, int rowsB) = (transposeA ? k : m, transposeB ? n : k);
        GuardedMatrix<float> a = Factor(stream, arena, batch * rowsA, m * k / rowsA, misaligned ? 1 : 0).Write([.. valuesA.SelectMany(x => x)]);
        GuardedMatrix<float> b = Factor(stream, arena, batch * rowsB, k * n / rowsB).Write([.. valuesB.SelectMany(x => x)]);
        GuardedMatrix<float> c = new GuardedMatrix<float>(stream, arena, batch * m, n, gap: m % 2).Write([.. valuesC.SelectMany(x => x)]);
        Gemm.RunStacked(stream, AsTranspose(transposeA), AsTranspose(transposeB), 0.5f, a.View, b.View, -1, c.View, batch);

        float[][] results = [.. c.Read().Chunk(m * n)];
        for (int i = 0; i < batch; i++)
        {
            double[] a64 = TestData.ToDouble(valuesA[i]), b64 = TestData.ToDouble(valuesB[i]), c64 = TestData.ToDouble(valuesC[i]);
            double[] expected = GemmReference.Multiply(transposeA, transposeB, 0.5f, a64, b64, -1, c64, m, n, k);
            double[] magnitude = GemmReference.Magnitude(transposeA, transposeB, 0.5f, a64, b64, -1, c64, m, n, k);
            double[] bound = Array.ConvertAll(magnitude, value => Bound(device.Precision, k) * value);
            ErrorBound.AssertWithinAndSharp(results[i], expected, bound, $"{device.Precision} {m}×{n}×{k}, {i}");
        }

        c.AssertGuards();
        arena.Reset();

        float[][] Matrices(uint seed, int size) => [.. Enumerable.Range(0, batch).Select(i => TestData.Uniform(size, seed + (uint)(10 * i)))];
    }

    private static double Bound(MatrixPrecision precision, int depth)
    {
        double roundoff = precision == MatrixPrecision.Tf32 ? 1.0 / (1 << 11) : 0;
        return ErrorBound.Gamma(depth + 2) + ((2 + roundoff) * roundoff);
    }

    /// <summary>Rows start at multiples of 16 bytes, unless more is added to the gap between them.</summary>
    private static GuardedMatrix<float> Factor(DeviceStream stream, Arena arena, int rows, int columns, int moreGap = 0) =>
        new(stream, arena, rows, columns, gap: ((4 - (columns % 4)) % 4) + moreGap, offset: 1);

    /// <summary>On the host a GPU with so little else that tiles are as large as they get.</summary>
    private static CudaDevice Open(string key, MatrixPrecision precision, int multiprocessors = 1)
    {
        var options = new DeviceOptions { Precision = precision, Warpgroups = true };
        if (key == TestDevice.CudaHost)
        {
            Skip.If(HostCompiler.Default is null, HostCompiler.Reason);
            GpuProperties hopper = HostRuntime.Hopper with { Multiprocessors = multiprocessors };
            return new CudaDevice("cuda", new HostRuntime(HostProgram.ForLibrary(), hopper), options);
        }

        // A GPU on which they have hung is spared them.
        Skip.If(Environment.GetEnvironmentVariable(DeviceOptions.WarpgroupsVariable) == "0", $"{DeviceOptions.WarpgroupsVariable} is 0");
        var device = (CudaDevice)Device.Open("cuda", options);
        Skip.IfNot(device.Properties.IsHopper, "warpgroup instructions are Hopper's");
        return device;
    }

    private static void AssertLaunched(CudaDevice device, string[] kernels, string prefix = "")
    {
        if (device.Runtime is HostRuntime host)
        {
            Assert.All(kernels, kernel => Assert.Contains(prefix + kernel, host.Launched));
        }
    }

    private static Transpose AsTranspose(bool transpose) => transpose ? Transpose.Yes : Transpose.No;
}
