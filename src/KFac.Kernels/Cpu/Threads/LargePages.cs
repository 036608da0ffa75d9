using System.Runtime.InteropServices;

namespace KFac.Kernels.Cpu;

/// <summary>Memory of the host, in pages of 2 MiB where the system offers them to who asks (Linux, <c>transparent_hugepage</c> at
/// <c>madvise</c>): first touches take one fault instead of 512, and rows that are pages apart don't wait for their addresses.</summary>
internal static unsafe partial class LargePages
{
    private const nuint Size = 2 << 20;
    private const nuint SmallSize = 4096;
    private const nuint CacheLineSize = 64;

    /// <summary>Below it, what the last page leaves unused would count.</summary>
    private const long LeastBytes = 4 << 20;

    /// <summary>MADV_HUGEPAGE of <c>madvise(2)</c>.</summary>
    private const int Advice = 14;

    /// <summary>Memory that starts at a boundary of 64 bytes at the least; given back with <see cref="NativeMemory.AlignedFree"/>.</summary>
    /// <exception cref="OutOfMemoryException">There is none.</exception>
    public static nint Allocate(long bytes)
    {
        if (bytes < LeastBytes || !OperatingSystem.IsLinux())
        {
            return (nint)NativeMemory.AlignedAlloc((nuint)bytes, CacheLineSize);
        }

        void* memory = NativeMemory.AlignedAlloc((nuint)bytes, Size);

        // A system that refuses the advice serves small pages, as it would have without it.
        _ = Advise(memory, (nuint)bytes / SmallSize * SmallSize, Advice);
        return (nint)memory;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint length, int advice);
}
