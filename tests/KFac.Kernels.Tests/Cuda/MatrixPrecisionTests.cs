using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Products in every precision of a GPU. Both factors of a product are rounded (unit roundoff u), its sum is float32:
/// the error is at most (2u + u²)·Σ|a·b| beyond that of the sum.</summary>
public sealed class MatrixPrecisionTests
{
    private static readonly (MatrixPrecision Precision, double Roundoff)[] s_precisions =
    [
        (MatrixPrecision.Float32, 0),
        (MatrixPrecision.Tf32, 1.0 / (1 << 11)),
        (MatrixPrecision.Bfloat16, 1.0 / (1 << 8)),
        (MatrixPrecision.Fma, 0),
    ];

    /// <summary>One tile and several of either size, one range of depths and several, whole slices and parts of one.</summary>
    private static readonly (int M, int N, int K)[] s_shapes = [(1, 1, 33), (64, 65, 32), (33, 70, 1100), (300, 190, 47), (257, 128, 96), (130, 129, 161)];

    public static TheoryData<int> Precisions { get; } = new(Enumerable.Range(0, s_precisions.Length));

    [SkippableTheory]
    [MemberData(nameof(Precisions))]
    public void Products_agree_with_float64(int index)
    {
        (MatrixPrecision precision, double roundoff) = s_precisions[index];
        using Device device = Open(index);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach ((int m, int n, int k) in s_shapes)
        {
            bool transposeA = (m + k) % 2 == 0, transposeB = n % 2 == 0;
            float[] valuesA = TestData.Uniform(m * k, 1), valuesB = TestData.Uniform(k * n, 2), valuesC = TestData.Uniform(m * n, 3);
            GuardedMatrix<float> a = new GuardedMatrix<float>(stream, arena, transposeA ? k : m, transposeA ? m : k, gap: m % 3).Write(valuesA);
            GuardedMatrix<float> b = new GuardedMatrix<float>(stream, arena, transposeB ? n : k, transposeB ? k : n, offset: 1).Write(valuesB);
            GuardedMatrix<float> c = new GuardedMatrix<float>(stream, arena, m, n).Write(valuesC);
            Gemm.Run(stream, AsTranspose(transposeA), AsTranspose(transposeB), 0.5f, a.View, b.View, -1, c.View);

            double[] a64 = TestData.ToDouble(valuesA), b64 = TestData.ToDouble(valuesB), c64 = TestData.ToDouble(valuesC);
            double[] expected = GemmReference.Multiply(transposeA, transposeB, 0.5f, a64, b64, -1, c64, m, n, k);
            double[] magnitude = GemmReference.Magnitude(transposeA, transposeB, 0.5f, a64, b64, -1, c64, m, n, k);
            double bound = ErrorBound.Gamma(k + 2) + ((2 + roundoff) * roundoff);
            ErrorBound.AssertWithinAndSharp(c.Read(), expected, Array.ConvertAll(magnitude, value => bound * value), $"{precision} {m}×{n}×{k}");
            c.AssertGuards();
            arena.Reset();
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Precisions))]
    public void Gram_matrices_agree_with_float64(int index)
    {
        (MatrixPrecision precision, double roundoff) = s_precisions[index];
        using Device device = Open(index);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach ((int width, _, int rows) in s_shapes)
        {
            float[] values = TestData.Uniform(rows * width, 1);
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, rows, width, gap: 3).Write(values);
            var gram = new GuardedMatrix<float>(stream, arena, width + 1, width + 1, gap: 1);
            Gram.Expand(stream, x.View, 0.25f, 0, gram.View, appendOnes: true);

            int[] offsets = SegmentReduceReference.UniformOffsets(rows, 1);
            double[] x64 = TestData.ToDouble(values), old = new double[(width + 1) * (width + 1)];
            double[] expected = GramReference.Compute(x64, width, offsets, ReferenceScale.Sum, true, 0.25f, 0, old);
            double[] magnitude = GramReference.Magnitude(x64, width, offsets, ReferenceScale.Sum, true, 0.25f, 0, old);
            double bound = ErrorBound.Gamma(rows + 2) + ((2 + roundoff) * roundoff);
            ErrorBound.AssertWithinAndSharp(gram.Read(), expected, Array.ConvertAll(magnitude, value => bound * value), $"{precision} {rows}×{width}");
            gram.AssertGuards();
            arena.Reset();
        }
    }

    /// <summary>The device of an entry of the table.</summary>
    private static Device Open(int index) => TestDevice.OpenCudaHost(new DeviceOptions { Precision = s_precisions[index].Precision });

    private static Transpose AsTranspose(bool transpose) => transpose ? Transpose.Yes : Transpose.No;
}
