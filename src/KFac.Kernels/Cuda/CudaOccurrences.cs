using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>Where each number of a list of indices occurs: mirrors <c>Occurrences</c> of occurrences.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct CudaOccurrences
{
    private const int Threads = 256;
    private const int MostBlocks = 1 << 12;

    /// <summary>Four of them are a number beyond any place.</summary>
    private const byte NoPlace = 0x7F;

    public readonly nint Indices;
    public readonly nint First;
    public readonly nint Counts;
    public readonly int Length;
    public readonly int Width;

    private CudaOccurrences(nint indices, nint first, nint counts, int length, int width)
    {
        (Indices, First, Counts) = (indices, first, counts);
        (Length, Width) = (length, width);
    }

    /// <summary>The indices alone.</summary>
    public static unsafe CudaOccurrences OfNone(VectorView<int> indices, int width) => new((nint)indices.Pointer, 0, 0, indices.Length, width);

    /// <summary>Finds them.</summary>
    /// <param name="scratch">Lasts as long as they are used.</param>
    /// <param name="width">Indices from 0 to <paramref name="width"/> − 1 count, at least one.</param>
    public static unsafe CudaOccurrences Find(CudaStream stream, in CudaScratch.Scope scratch, VectorView<int> indices, int width)
    {
        long bytes = (long)width * sizeof(int);
        var found = new CudaOccurrences((nint)indices.Pointer, scratch.Take(bytes), scratch.Take(bytes), indices.Length, width);
        stream.Queue.Fill(found.First, NoPlace, bytes);
        stream.Queue.Fill(found.Counts, 0, bytes);
        if (indices.Length > 0)
        {
            LaunchShape shape = LaunchShape.Row(Math.Min(LaunchShape.Cover(indices.Length, Threads), MostBlocks), Threads);
            stream.Queue.Launch("occurrences", "find_occurrences", shape, new OccurrenceArguments(found));
        }

        return found;
    }
}

/// <summary>Mirrors <c>OccurrenceArguments</c> of occurrences.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct OccurrenceArguments(CudaOccurrences found)
{
    public readonly nint Indices = found.Indices;
    public readonly nint First = found.First;
    public readonly nint Counts = found.Counts;
    public readonly int Length = found.Length;
    public readonly int Width = found.Width;
}
