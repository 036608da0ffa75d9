using System.Runtime.InteropServices;
using KFac.Kernels.Cuda;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>What stands on the host for tensor cores, asynchronous copies and warp operations does what PTX says of them.</summary>
public sealed class TwinTests
{
    [SkippableTheory]
    [InlineData("multiply_tf32", 8, 13)]
    [InlineData("multiply_bf16", 16, 16)]
    public void A_product_of_rounded_factors(string kernel, int depth, int droppedBits)
    {
        float[] a = TestData.Uniform(16 * depth, 1);
        float[] b = TestData.Uniform(depth * 8, 2);
        float[] d = TestData.Uniform(16 * 8, 3);
        float[] expected = [.. Enumerable.Range(0, 16 * 8).Select(i =>
        {
            float sum = d[i];
            for (int k = 0; k < depth; k++)
            {
                sum += Round(a[(i / 8 * depth) + k], droppedBits) * Round(b[(k * 8) + (i % 8)], droppedBits);
            }

            return sum;
        })];
        using var kernels = new HostKernels();
        nint result = kernels.Allocate(d);
        kernels.Launch("twins", kernel, LaunchShape.Row(1, 32), new TwinArguments(kernels.Allocate(a), kernels.Allocate(b), result));
        Assert.Equal(expected, kernels.Read(result, d.Length));
    }

    [SkippableFact]
    public void Copies_arrive_with_the_wait_for_their_group()
    {
        using var kernels = new HostKernels();
        nint result = kernels.Allocate(new float[5]);
        kernels.Launch(
            "twins", "copy_in_groups", LaunchShape.Row(1, 32), new TwinArguments(kernels.Allocate([1, 2, 3, 4, 5, 6, 7]), 0, result));
        Assert.Equal([1, float.NaN, 0, 7, 0], kernels.Read(result, 5));
    }

    [SkippableFact]
    public void Warp_operations()
    {
        float[] x = [.. Enumerable.Range(0, 32).Select(static i => i + 1f)];
        using var kernels = new HostKernels();
        nint result = kernels.Allocate(new float[128]);
        kernels.Launch("twins", "warp_operations", LaunchShape.Row(1, 32), new TwinArguments(kernels.Allocate(x), 0, result));
        float[] d = kernels.Read(result, 128);
        Assert.Equal(Enumerable.Repeat(32f * 33 / 2, 32), d[..32]);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => x[i + 3 < 32 ? i + 3 : i]), d[32..64]);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => x[i % 8 >= 2 ? i - 2 : i]), d[64..96]);
        Assert.Equal(Enumerable.Range(0, 32).Select(i => i < 16 ? 16f : 17f), d[96..]);
    }

    /// <summary>To the nearest number whose last bits are zero. Ties, which differ between the formats, do not occur in the data.</summary>
    private static float Round(float x, int droppedBits)
    {
        int bits = BitConverter.SingleToInt32Bits(x);
        int half = 1 << (droppedBits - 1);
        Assert.NotEqual(half, bits & ((half * 2) - 1));
        return BitConverter.Int32BitsToSingle((bits + half) & -(half * 2));
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct TwinArguments(nint a, nint b, nint d)
    {
        public readonly nint A = a;
        public readonly nint B = b;
        public readonly nint D = d;
    }
}
