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

    /// <summary><see cref="Store(TVector, float*, int)"/>, whole vectors past the caches where <paramref name="past"/> is set and the
    /// destination starts at a vector's boundary.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(bool past, TVector value, float* destination, int left)
    {
        if (past && left >= TSimd.Count)
        {
            TSimd.StoreStreaming(value, destination);
        }
        else
        {
            Store(value, destination, left);
        }
    }

    /// <summary>Four whole vectors beside each other, past the caches where <paramref name="past"/> is set and the destination starts at a
    /// vector's boundary.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFour(bool past, TVector v0, TVector v1, TVector v2, TVector v3, float* destination)
    {
        int whole = TSimd.Count;
        Store(past, v0, destination, whole);
        Store(past, v1, destination + TSimd.Count, whole);
        Store(past, v2, destination + (2 * TSimd.Count), whole);
        Store(past, v3, destination + (3 * TSimd.Count), whole);
    }
}
