using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Copies of a few vectors, for which a call of the runtime's copy costs more than the copy.</summary>
internal static unsafe class SimdCopy<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(float* source, float* destination, int count)
    {
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Load(source + i), destination + i);
        }

        if (i < count)
        {
            TSimd.StorePartial(TSimd.LoadPartial(source + i, count - i), destination + i, count - i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Clear(float* destination, int count)
    {
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Zero, destination + i);
        }

        if (i < count)
        {
            TSimd.StorePartial(TSimd.Zero, destination + i, count - i);
        }
    }
}
