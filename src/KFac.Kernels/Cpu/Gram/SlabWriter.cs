using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Brings computed rows of a symmetric matrix, as many as a vector has elements, to both of their places: as they are, and transposed.</summary>
/// <remarks>Transposed columns go from registers straight to memory. With one more copy in the cache and loops over parts of
/// vectors the writing took as many instructions as the products.</remarks>
internal static unsafe class SlabWriter<TSimd, TVector, TStore>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TStore : struct, IVectorStore
{
    /// <summary><c>target[i, j] ← slab[i, j]</c> and <c>mirrored[j, i] ← slab[i, j]</c>.</summary>
    /// <param name="slab">One vector's number of rows of <paramref name="columns"/> elements, whole vectors.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write(float* slab, int columns, float* target, float* mirrored, long stride)
    {
        for (int j = 0; j < columns; j += TSimd.Count)
        {
            float* from = slab + j;
            float* to = target + j;
            for (int i = 0; i < TSimd.Count; i++)
            {
                TStore.Store<TSimd, TVector>(TSimd.Load(from), to);
                from += columns;
                to += stride;
            }
        }

        long quad = 4L * columns;
        for (int j = 0; j < columns; j += 4)
        {
            TVector row0 = TSimd.LoadQuads(slab, quad);
            TVector row1 = TSimd.LoadQuads(slab + columns, quad);
            TVector row2 = TSimd.LoadQuads(slab + (2 * columns), quad);
            TVector row3 = TSimd.LoadQuads(slab + (3 * columns), quad);
            TSimd.TransposeQuads(ref row0, ref row1, ref row2, ref row3);
            TStore.Store<TSimd, TVector>(row0, mirrored);
            TStore.Store<TSimd, TVector>(row1, mirrored + stride);
            TStore.Store<TSimd, TVector>(row2, mirrored + (2 * stride));
            TStore.Store<TSimd, TVector>(row3, mirrored + (3 * stride));
            slab += 4;
            mirrored += 4 * stride;
        }
    }
}

/// <summary>How a vector is stored, as a constant that the JIT compiles a loop for.</summary>
internal unsafe interface IVectorStore
{
    static abstract void Store<TSimd, TVector>(TVector value, float* destination)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;
}

/// <summary>To the caches.</summary>
internal readonly unsafe struct CachedStore : IVectorStore
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TSimd, TVector>(TVector value, float* destination)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.Store(value, destination);
}

/// <summary>Past the caches; destinations must be aligned to the vector.</summary>
internal readonly unsafe struct StreamingStore : IVectorStore
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TSimd, TVector>(TVector value, float* destination)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => TSimd.StoreStreaming(value, destination);
}
