using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Attention"/> on the CPU: a block of queries at a time (<see cref="BlockedAttention"/>); the backward pass head by head
/// where all of one fits into the second-level cache (<see cref="HeadAttention{TTile, TSimd, TVector}"/>).</summary>
/// <remarks>Which of the two depends on the shape alone, and tasks are cut by shape: threads change no bit.</remarks>
internal sealed unsafe class CpuAttention(CpuDevice device) : IAttentionKernel
{
    /// <summary>Bytes of a head's matrices, as the widest vectors pad them: about half of a core's second-level cache.</summary>
    private const long MostBytesOfHead = 512 << 10;

    public void Forward(in AttentionArguments arguments)
    {
        AttentionShape shape = arguments.Shape;
        var task = new HeadTask(device, arguments);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &BlockedAttention.ForwardBlock<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &BlockedAttention.ForwardBlock<Simd256, Vector256<float>>,
            _ => &BlockedAttention.ForwardBlock<Simd128, Vector128<float>>,
        };
        device.Workers.Run(checked(shape.Examples * shape.Heads * BlockProducts.Blocks(shape.Queries)), body, Unsafe.AsPointer(ref task));
    }

    public void Backward(in AttentionArguments arguments, in AttentionGradients gradients)
    {
        AttentionShape shape = arguments.Shape;
        var task = new HeadTask(device, arguments) { Gradients = gradients };
        bool byHead = HeadAttention<GemmTile512, Simd512, Vector512<float>>.MemoryOf(null, shape).Bytes <= MostBytesOfHead;
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 when byHead => &HeadAttention<GemmTile512, Simd512, Vector512<float>>.Backward,
            VectorWidth.Avx512 => &BlockedAttention.BackwardHead<Simd512, Vector512<float>, WideSums512>,
            VectorWidth.Avx2 when byHead => &HeadAttention<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>.Backward,
            VectorWidth.Avx2 => &BlockedAttention.BackwardHead<Simd256, Vector256<float>, WideSums256>,
            _ when byHead => &HeadAttention<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>.Backward,
            _ => &BlockedAttention.BackwardHead<Simd128, Vector128<float>, WideSums128>,
        };
        device.Workers.Run(checked(gradients.Seeds * shape.Examples * shape.Heads), body, Unsafe.AsPointer(ref task));
    }
}
