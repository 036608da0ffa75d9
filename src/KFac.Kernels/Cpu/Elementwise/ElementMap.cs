using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>What happens to one element of each of up to four operands: the body of an element-wise loop.</summary>
/// <remarks>An operand i takes part if bit i is set in <see cref="Loads"/>, <see cref="Stores"/> or both; the JIT drops the rest. An
/// <see cref="Apply"/> of more than a few operations asks for inlining: a call would take its operands through memory.</remarks>
internal interface IElementMap
{
    /// <summary>Operands that are read.</summary>
    static abstract int Loads { get; }

    /// <summary>Operands that are written.</summary>
    static abstract int Stores { get; }

    /// <summary>Turns the elements read into the elements to write.</summary>
    void Apply<TSimd, TVector>(ref TVector x0, ref TVector x1, ref TVector x2, ref TVector x3)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged;
}

/// <summary>Runs a map over contiguous elements. Elements at the end go through the same vector arithmetic as the others,
/// so an element's bits do not depend on where it stands.</summary>
internal static unsafe class ElementSpan<TMap, TSimd, TVector>
    where TMap : unmanaged, IElementMap
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>As <c>Apply</c>, operands that are only written going past the caches: they start at a vector's boundary.</summary>
    public static void ApplyStreaming(TMap map, float* p0, float* p1, float* p2, float* p3, long count) =>
        Apply<Streaming>(map, p0, p1, p2, p3, count);

    /// <summary><see cref="ApplyStreaming"/> where <paramref name="past"/> is set, else through the caches.</summary>
    public static void Apply(bool past, TMap map, float* p0, float* p1, float* p2, float* p3, long count)
    {
        if (past)
        {
            ApplyStreaming(map, p0, p1, p2, p3, count);
        }
        else
        {
            Apply(map, p0, p1, p2, p3, count);
        }
    }

    public static void Apply(TMap map, float* p0, float* p1, float* p2, float* p3, long count) =>
        Apply<Cached>(map, p0, p1, p2, p3, count);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply<TStores>(TMap map, float* p0, float* p1, float* p2, float* p3, long count)
        where TStores : struct, IStores
    {
        long i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            TVector x0 = (TMap.Loads & 1) != 0 ? TSimd.Load(p0 + i) : TSimd.Zero;
            TVector x1 = (TMap.Loads & 2) != 0 ? TSimd.Load(p1 + i) : TSimd.Zero;
            TVector x2 = (TMap.Loads & 4) != 0 ? TSimd.Load(p2 + i) : TSimd.Zero;
            TVector x3 = (TMap.Loads & 8) != 0 ? TSimd.Load(p3 + i) : TSimd.Zero;
            map.Apply<TSimd, TVector>(ref x0, ref x1, ref x2, ref x3);
            if ((TMap.Stores & 1) != 0)
            {
                Store<TStores>(1, x0, p0 + i);
            }

            if ((TMap.Stores & 2) != 0)
            {
                Store<TStores>(2, x1, p1 + i);
            }

            if ((TMap.Stores & 4) != 0)
            {
                Store<TStores>(4, x2, p2 + i);
            }

            if ((TMap.Stores & 8) != 0)
            {
                Store<TStores>(8, x3, p3 + i);
            }
        }

        if (i < count)
        {
            ApplyPartial(map, p0 + i, p1 + i, p2 + i, p3 + i, (int)(count - i));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TStores>(int operand, TVector value, float* destination)
        where TStores : struct, IStores
    {
        if (TStores.Past && (TMap.Loads & operand) == 0)
        {
            TSimd.StoreStreaming(value, destination);
        }
        else
        {
            TSimd.Store(value, destination);
        }
    }

    private static void ApplyPartial(TMap map, float* p0, float* p1, float* p2, float* p3, int count)
    {
        TVector x0 = (TMap.Loads & 1) != 0 ? TSimd.LoadPartial(p0, count) : TSimd.Zero;
        TVector x1 = (TMap.Loads & 2) != 0 ? TSimd.LoadPartial(p1, count) : TSimd.Zero;
        TVector x2 = (TMap.Loads & 4) != 0 ? TSimd.LoadPartial(p2, count) : TSimd.Zero;
        TVector x3 = (TMap.Loads & 8) != 0 ? TSimd.LoadPartial(p3, count) : TSimd.Zero;
        map.Apply<TSimd, TVector>(ref x0, ref x1, ref x2, ref x3);
        if ((TMap.Stores & 1) != 0)
        {
            TSimd.StorePartial(x0, p0, count);
        }

        if ((TMap.Stores & 2) != 0)
        {
            TSimd.StorePartial(x1, p1, count);
        }

        if ((TMap.Stores & 4) != 0)
        {
            TSimd.StorePartial(x2, p2, count);
        }

        if ((TMap.Stores & 8) != 0)
        {
            TSimd.StorePartial(x3, p3, count);
        }
    }

    private interface IStores
    {
        /// <summary>Whether operands that are only written go past the caches.</summary>
        static abstract bool Past { get; }
    }

    private readonly struct Cached : IStores
    {
        public static bool Past => false;
    }

    private readonly struct Streaming : IStores
    {
        public static bool Past => true;
    }
}
