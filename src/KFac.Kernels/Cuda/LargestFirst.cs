namespace KFac.Kernels.Cuda;

/// <summary>The order in which batches of factorisations are taken.</summary>
/// <remarks>One kernel's arguments hold a group of some matrices, which takes as many steps as its largest needs: by size, those of a group
/// are of like size.</remarks>
internal static class LargestFirst
{
    /// <summary>Items whose order lies on the stack.</summary>
    public const int OnStack = 256;

    /// <summary>Indices of the items by their size, largest first, equal ones as they come.</summary>
    /// <param name="order">As many as there are items.</param>
    public static void Sort<TItem>(ReadOnlySpan<TItem> items, Func<TItem, int> size, Span<int> order)
    {
        Span<long> keys = items.Length <= OnStack ? stackalloc long[items.Length] : new long[items.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = ((long)(int.MaxValue - size(items[i])) << 32) | (uint)i;
        }

        keys.Sort();
        for (int i = 0; i < keys.Length; i++)
        {
            order[i] = (int)keys[i];
        }
    }
}
