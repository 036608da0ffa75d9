using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Philox"/> on the CPU: a few vectors of words at a time, turned into numbers on their way to memory.</summary>
/// <remarks>
/// Cycles for sixteen numbers a thread (512-bit vectors, Zen 5): 12 to 13 uniform ones in cache as beyond it, so arithmetic is the limit where memory
/// takes a vector faster (a fill: 7 to 12). Normal ones 31: Box and Muller's 37 operations, none fused since the bits are fixed, take 17 in C
/// too, at 2.2 operations a cycle of the four that the ports allow; neither two nor four vectors interleaved change that, fused multiply-adds
/// would save 4.5.
/// </remarks>
internal sealed unsafe class CpuPhilox(CpuDevice device) : IPhiloxKernel
{
    /// <summary>Numbers a task, a multiple of four.</summary>
    private const int Grain = 16 * 1024;

    public void Uniform(DeviceKey key, ulong offset, VectorView<float> y)
    {
        var context = new Context(key.OnHost(), offset, y.Pointer, y.Length);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &UniformTask<PhiloxLanes512, Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &UniformTask<PhiloxLanes256, Simd256, Vector256<float>>,
            _ => &UniformTask<PhiloxLanes1, Simd128, Vector128<float>>,
        };
        device.Workers.Run(Tasks(y.Length), body, &context);
    }

    public void Normal(DeviceKey key, ulong offset, VectorView<float> y)
    {
        var context = new Context(key.OnHost(), offset, y.Pointer, y.Length);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &NormalTask<PhiloxLanes512, Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &NormalTask<PhiloxLanes256, Simd256, Vector256<float>>,
            _ => &NormalTask<PhiloxLanes1, Simd128, Vector128<float>>,
        };
        device.Workers.Run(Tasks(y.Length), body, &context);
    }

    private static int Tasks(int length) => (int)(((long)length + Grain - 1) / Grain);

    private static void UniformTask<TLanes, TSimd, TVector>(void* pointer, int task)
        where TLanes : struct, IPhiloxLanes
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        uint* memory = stackalloc uint[PhiloxSteps.Most + CacheLine.Floats];
        uint* words = CacheLine.Align(memory);
        long end = Math.Min(((long)task + 1) * Grain, c.Length);
        int count;
        for (long start = (long)task * Grain; start < end; start += count)
        {
            ulong number = c.Offset + (ulong)start;
            count = PhiloxSteps.Length(number, end - start);
            PhiloxWords<TLanes>.Fill(c.Key, number, words, count);
            float* y = c.Y + start;
            ElementSpan<UniformMap, TSimd, TVector>.Apply(c.GoesPast<TVector>(y), default, (float*)words, y, null, null, count);
        }
    }

    private static void NormalTask<TLanes, TSimd, TVector>(void* pointer, int task)
        where TLanes : struct, IPhiloxLanes
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        uint* memory = stackalloc uint[PhiloxSteps.Most + CacheLine.Floats];
        uint* words = CacheLine.Align(memory);
        long end = Math.Min(((long)task + 1) * Grain, c.Length);
        int count;
        for (long start = (long)task * Grain; start < end; start += count)
        {
            ulong number = c.Offset + (ulong)start;
            count = PhiloxSteps.Length(number, end - start);
            PhiloxWords<TLanes>.Fill(c.Key, number, words, count);
            float* y = c.Y + start;
            SimdBoxMuller<TSimd, TVector>.Apply(c.GoesPast<TVector>(y), words, y, count & ~1);
            if (count % 2 != 0)
            {
                uint partner = PhiloxBlock.At(c.Key, (number + (ulong)count) / 4).Word((int)((number + (ulong)count) % 4));
                y[count - 1] = BoxMuller.Pair(words[count - 1], partner).Cosine;
            }
        }
    }

    private readonly struct Context(PhiloxKey key, ulong offset, float* y, int length)
    {
        public readonly PhiloxKey Key = key;
        public readonly ulong Offset = offset;
        public readonly float* Y = y;
        public readonly int Length = length;
        private readonly bool _isBeyondCaches = ElementLoop.IsBeyondCaches(length);

        /// <summary>Whether vectors from y on should be stored past the caches.</summary>
        public bool GoesPast<TVector>(float* y)
            where TVector : unmanaged => _isBeyondCaches && (nuint)y % (nuint)sizeof(TVector) == 0;
    }

    private readonly struct UniformMap : IElementMap
    {
        public static int Loads => 1;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector word, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => y = SimdBoxMuller<TSimd, TVector>.Uniform(word);
    }
}
