using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>Where lines of the caches start. The stack starts anywhere, and 512-bit vectors that lie across two lines are read and
/// written twice, and cannot be handed from a store to the load behind it.</summary>
internal static unsafe class CacheLine
{
    /// <summary>Elements of 32 bits in a line: as many more are needed for a start that can be chosen.</summary>
    public const int Floats = 16;

    public const int Bytes = 64;

    /// <summary>The first line at or behind an address.</summary>
    public static T* Align<T>(T* memory)
        where T : unmanaged => (T*)(((nuint)memory + (Bytes - 1)) & ~(nuint)(Bytes - 1));

    /// <summary>Asks for lines that will be read soon; they may lie anywhere, in memory of ours or not.</summary>
    /// <param name="count">Elements of 32 bits.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(float* start, int count)
    {
        if (Sse.IsSupported)
        {
            for (int i = 0; i < count; i += Floats)
            {
                Sse.Prefetch0(start + i);
            }
        }
    }

    /// <summary>As <see cref="Fetch"/>, to the second-level cache only: what is read too late to stay in the first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FetchFar(float* start, int count)
    {
        if (Sse.IsSupported)
        {
            for (int i = 0; i < count; i += Floats)
            {
                Sse.Prefetch1(start + i);
            }
        }
    }
}
