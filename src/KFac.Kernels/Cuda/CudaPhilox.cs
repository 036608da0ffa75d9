using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Philox"/> on the GPU: a thread makes the four numbers of a block.</summary>
internal sealed class CudaPhilox(CudaStream stream) : IPhiloxKernel
{
    private const string Module = "philox";
    private const int Threads = 256;
    private const int MostBlocks = 1 << 14;
    private const int NumbersPerBlock = 4;

    public void Uniform(DeviceKey key, ulong offset, VectorView<float> y) => Launch("uniform", key, offset, y);

    public void Normal(DeviceKey key, ulong offset, VectorView<float> y) => Launch("normal", key, offset, y);

    /// <summary>The grid of a kernel that visits <paramref name="numbers"/> adjacent numbers by Philox blocks.</summary>
    public static LaunchShape Shape(long numbers)
    {
        // The first block may begin before the numbers.
        int blocks = LaunchShape.Cover(numbers + (NumbersPerBlock - 1), NumbersPerBlock);
        return LaunchShape.Row(Math.Min(LaunchShape.Cover(blocks, Threads), MostBlocks), Threads);
    }

    private void Launch(string kernel, DeviceKey key, ulong offset, VectorView<float> y)
    {
        if (!y.IsEmpty)
        {
            stream.Queue.Launch(Module, kernel, Shape(y.Length), new PhiloxArguments(key, offset, y));
        }
    }
}

/// <summary>Mirrors <c>kfac::PhiloxKeyArguments</c> of philox.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct PhiloxKeyArguments(DeviceKey key)
{
    public readonly PhiloxKey Key = key.Key;
    public readonly nint Sequence = (nint)key.Sequence.Pointer;
}

/// <summary>Mirrors <c>PhiloxArguments</c> of philox.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct PhiloxArguments(DeviceKey key, ulong offset, VectorView<float> y)
{
    public readonly PhiloxKeyArguments Key = new(key);
    public readonly ulong Offset = offset;
    public readonly nint Y = (nint)y.Pointer;
    public readonly long Length = y.Length;
}
