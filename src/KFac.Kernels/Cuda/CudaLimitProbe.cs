using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="LimitProbe"/> on the GPU; a task is a block of 256 threads.</summary>
internal sealed unsafe class CudaLimitProbe(CudaStream stream) : ILimitProbeKernel
{
    private const string Module = "limit_probe";
    private const int Threads = 256;
    private const int BlocksPerMultiprocessor = 8;
    private const long Chains = Threads * 8;
    private const long OperationsOfProduct = 2 * 16 * 8 * 8;
    private const long Accumulators = Threads / 32 * 8;
    private const int VectorFloats = 4;

    public int Tasks => stream.Properties.Multiprocessors * BlocksPerMultiprocessor;

    public long MultiplyAdd(int links, VectorView<float> sums)
    {
        Chain("multiply_add", links, sums);
        return 2 * links * Chains;
    }

    public long TensorMultiplyAdd(int links, VectorView<float> sums)
    {
        Chain("tensor_multiply_add", links, sums);
        return OperationsOfProduct * links * Accumulators;
    }

    public void Read(VectorView<float> x, VectorView<float> sums)
    {
        if (!sums.IsEmpty)
        {
            long part = ((long)x.Length + sums.Length - 1) / sums.Length;
            stream.Queue.Launch(Module, "read", LaunchShape.Row(sums.Length, Threads), new StreamArguments(x, sums, x.Length, part));
        }
    }

    public void Copy(VectorView<float> x, VectorView<float> y)
    {
        int whole = IsAligned(x) && IsAligned(y) ? x.Length / VectorFloats * VectorFloats : 0;
        Copy("copy_vectors", x.Slice(0, whole), y.Slice(0, whole));
        Copy("copy_elements", x.Slice(whole, x.Length - whole), y.Slice(whole, x.Length - whole));
    }

    private static bool IsAligned(VectorView<float> view) => (nint)view.Pointer % (VectorFloats * sizeof(float)) == 0;

    private void Chain(string kernel, int links, VectorView<float> sums)
    {
        if (!sums.IsEmpty)
        {
            stream.Queue.Launch(Module, kernel, LaunchShape.Row(sums.Length, Threads), new ChainArguments(sums, links));
        }
    }

    private void Copy(string kernel, VectorView<float> x, VectorView<float> y)
    {
        if (!y.IsEmpty)
        {
            long part = ((((long)y.Length + Tasks - 1) / Tasks) + Threads - 1) / Threads * Threads;
            var arguments = new StreamArguments(x, y, y.Length, part);
            stream.Queue.Launch(Module, kernel, LaunchShape.Row((int)((y.Length + part - 1) / part), Threads), arguments);
        }
    }
}

/// <summary>Mirrors <c>ChainArguments</c> of limit_probe.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ChainArguments(VectorView<float> sums, int links)
{
    public readonly nint Sums = (nint)sums.Pointer;
    public readonly int Links = links;
}

/// <summary>Mirrors <c>StreamArguments</c> of limit_probe.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct StreamArguments(VectorView<float> x, VectorView<float> y, long length, long part)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = (nint)y.Pointer;
    public readonly long Length = length;
    public readonly long Part = part;
}
