namespace KFac.Kernels.Cpu;

/// <summary>Where lines of the caches start. The stack starts anywhere, and 512-bit vectors that lie across two lines are read and
/// written twice, and cannot be handed from a store to the load behind it.</summary>
internal static unsafe class CacheLine
{
    /// <summary>Elements of 32 bits in a line: as many more are needed for a start that can be chosen.</summary>
    public const int Floats = 16;

    private const int Bytes = 64;

    /// <summary>The first line at or behind an address.</summary>
    public static T* Align<T>(T* memory)
        where T : unmanaged => (T*)(((nuint)memory + (Bytes - 1)) & ~(nuint)(Bytes - 1));
}
