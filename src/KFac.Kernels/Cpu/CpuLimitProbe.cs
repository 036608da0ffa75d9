using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="LimitProbe"/> on the CPU.</summary>
/// <remarks>Twelve chains hide the latency of a multiply-add (4 cycles on 2 ports needs 8) and fit in 16 registers. The copy
/// stores past the caches, which saves reading the lines that it overwrites, in stretches as long as those of
/// <see cref="ElementLoop"/>: a quarter of their length costs up to 7% of the rate.</remarks>
internal sealed unsafe class CpuLimitProbe(CpuDevice device) : ILimitProbeKernel
{
    private const int TasksPerThread = 4;
    private const int Chains = 12;
    private const long CopyGrain = 256 * 1024;

    public int Tasks => TasksPerThread * device.Threads;

    public long TensorMultiplyAdd(int links, VectorView<float> sums) => 0;

    public long MultiplyAdd(int links, VectorView<float> sums)
    {
        var context = new Context(null, sums.Pointer, 0, 0, links);
        return device.Vectors switch
        {
            VectorWidth.Avx512 => Multiply<Simd512, Vector512<float>>(&context, sums.Length),
            VectorWidth.Avx2 => Multiply<Simd256, Vector256<float>>(&context, sums.Length),
            _ => Multiply<Simd128, Vector128<float>>(&context, sums.Length),
        };
    }

    public void Read(VectorView<float> x, VectorView<float> sums)
    {
        if (sums.IsEmpty)
        {
            return;
        }

        var context = new Context(x.Pointer, sums.Pointer, x.Length, ((long)x.Length + sums.Length - 1) / sums.Length, 0);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Sum<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Sum<Simd256, Vector256<float>>,
            _ => &Sum<Simd128, Vector128<float>>,
        };
        device.Workers.Run(sums.Length, body, &context);
    }

    public void Copy(VectorView<float> x, VectorView<float> y)
    {
        var context = new Context(x.Pointer, y.Pointer, x.Length, CopyGrain, 0);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Stream<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Stream<Simd256, Vector256<float>>,
            _ => &Stream<Simd128, Vector128<float>>,
        };
        device.Workers.Run((int)((x.Length + CopyGrain - 1) / CopyGrain), body, &context);
    }

    private long Multiply<TSimd, TVector>(Context* context, int tasks)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        device.Workers.Run(tasks, &Chain<TSimd, TVector>, context);
        return 2L * context->Links * Chains * TSimd.Count;
    }

    private static void Chain<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        TVector half = TSimd.Create(0.5f), one = TSimd.Create(1);
        TVector c0 = TSimd.Zero, c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0, c8 = c0, c9 = c0, c10 = c0, c11 = c0;
        for (int link = c.Links; link > 0; link--)
        {
            c0 = TSimd.MultiplyAdd(c0, half, one);
            c1 = TSimd.MultiplyAdd(c1, half, one);
            c2 = TSimd.MultiplyAdd(c2, half, one);
            c3 = TSimd.MultiplyAdd(c3, half, one);
            c4 = TSimd.MultiplyAdd(c4, half, one);
            c5 = TSimd.MultiplyAdd(c5, half, one);
            c6 = TSimd.MultiplyAdd(c6, half, one);
            c7 = TSimd.MultiplyAdd(c7, half, one);
            c8 = TSimd.MultiplyAdd(c8, half, one);
            c9 = TSimd.MultiplyAdd(c9, half, one);
            c10 = TSimd.MultiplyAdd(c10, half, one);
            c11 = TSimd.MultiplyAdd(c11, half, one);
        }

        TVector first = TSimd.Add(TSimd.Add(TSimd.Add(c0, c1), TSimd.Add(c2, c3)), TSimd.Add(c4, c5));
        TVector second = TSimd.Add(TSimd.Add(TSimd.Add(c6, c7), TSimd.Add(c8, c9)), TSimd.Add(c10, c11));
        c.Target[task] = TSimd.Sum(TSimd.Add(first, second));
    }

    private static void Sum<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        float* source = c.Start(task), end = c.Start(task + 1);
        TVector s0 = TSimd.Zero, s1 = s0, s2 = s0, s3 = s0;
        int step = 4 * TSimd.Count;
        for (; end - source >= step; source += step)
        {
            s0 = TSimd.Add(s0, TSimd.Load(source));
            s1 = TSimd.Add(s1, TSimd.Load(source + TSimd.Count));
            s2 = TSimd.Add(s2, TSimd.Load(source + (2 * TSimd.Count)));
            s3 = TSimd.Add(s3, TSimd.Load(source + (3 * TSimd.Count)));
        }

        float sum = TSimd.Sum(TSimd.Add(TSimd.Add(s0, s1), TSimd.Add(s2, s3)));
        for (; source < end; source++)
        {
            sum += *source;
        }

        c.Target[task] = sum;
    }

    private static void Stream<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        float* source = c.Start(task), end = c.Start(task + 1);
        float* target = c.Target + (source - c.Source);
        for (; source < end && (nuint)target % (nuint)sizeof(TVector) != 0; source++, target++)
        {
            *target = *source;
        }

        for (; end - source >= TSimd.Count; source += TSimd.Count, target += TSimd.Count)
        {
            TSimd.StoreStreaming(TSimd.Load(source), target);
        }

        Unsafe.CopyBlockUnaligned(target, source, (uint)(end - source) * sizeof(float));
    }

    private readonly struct Context(float* source, float* target, long length, long grain, int links)
    {
        public readonly float* Source = source;
        public readonly float* Target = target;
        public readonly int Links = links;
        private readonly long _length = length;
        private readonly long _grain = grain;

        /// <summary>Where a task's part of the source starts, which is where the part of the task before ends.</summary>
        public float* Start(int task) => Source + Math.Min(_length, task * _grain);
    }
}
