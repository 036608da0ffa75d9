using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Philox"/> on the CPU: words are written where the numbers go and turned into them in place.</summary>
internal sealed unsafe class CpuPhilox(CpuDevice device) : IPhiloxKernel
{
    /// <summary>Numbers a task, even; a task works in steps that stay in the first-level cache.</summary>
    private const int Grain = 16 * 1024;

    private const int Step = 1024;

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
        long end = Math.Min(((long)task + 1) * Grain, c.Length);
        for (long start = (long)task * Grain; start < end; start += Step)
        {
            int count = (int)Math.Min(Step, end - start);
            float* y = c.Y + start;
            PhiloxWords<TLanes>.Fill(c.Key, c.Offset + (ulong)start, (uint*)y, count);
            ElementSpan<UniformMap, TSimd, TVector>.Apply(default, y, null, null, null, count);
        }
    }

    private static void NormalTask<TLanes, TSimd, TVector>(void* pointer, int task)
        where TLanes : struct, IPhiloxLanes
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        long end = Math.Min(((long)task + 1) * Grain, c.Length);
        for (long start = (long)task * Grain; start < end; start += Step)
        {
            int count = (int)Math.Min(Step, end - start);
            float* y = c.Y + start;
            ulong number = c.Offset + (ulong)start;
            PhiloxWords<TLanes>.Fill(c.Key, number, (uint*)y, count);
            SimdBoxMuller<TSimd, TVector>.Apply(y, count & ~1);
            if (count % 2 != 0)
            {
                uint partner = PhiloxBlock.At(c.Key, (number + (ulong)count) / 4).Word((int)((number + (ulong)count) % 4));
                y[count - 1] = BoxMuller.Pair(((uint*)y)[count - 1], partner).Cosine;
            }
        }
    }

    private readonly struct Context(PhiloxKey key, ulong offset, float* y, int length)
    {
        public readonly PhiloxKey Key = key;
        public readonly ulong Offset = offset;
        public readonly float* Y = y;
        public readonly int Length = length;
    }

    private readonly struct UniformMap : IElementMap
    {
        public static int Loads => 1;

        public static int Stores => 1;

        public void Apply<TSimd, TVector>(ref TVector word, ref TVector x1, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => word = SimdBoxMuller<TSimd, TVector>.Uniform(word);
    }
}
