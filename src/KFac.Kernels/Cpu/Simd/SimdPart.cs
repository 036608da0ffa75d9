using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>A vector of a row, or what is left of the row at its end.</summary>
internal static unsafe class SimdPart<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(float* source, int left) =>
        left >= TSimd.Count ? TSimd.Load(source) : TSimd.LoadPartial(source, left);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TVector value, float* destination, int left)
    {
        if (left >= TSimd.Count)
        {
            TSimd.Store(value, destination);
        }
        else
        {
            TSimd.StorePartial(value, destination, left);
        }
    }
}
