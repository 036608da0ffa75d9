namespace KFac.Kernels;

/// <summary>The sequence of a <see cref="PhiloxKey"/>, read one number at a time on the host: shuffles, choices, initial values.</summary>
/// <remarks>
/// Its numbers are those of <see cref="Philox"/> bit for bit: number i of the sequence is word <c>i mod 4</c> of block
/// <c>i / 4</c>. All state is <see cref="Key"/> and <see cref="Position"/>; storing them in a checkpoint and setting
/// them again continues the sequence. Not thread-safe.
/// </remarks>
public sealed class PhiloxGenerator
{
    private PhiloxBlock _block;
    private ulong _blockIndex;

    /// <summary>Starts at number <paramref name="position"/> of the key's sequence.</summary>
    public PhiloxGenerator(PhiloxKey key, ulong position = 0)
    {
        Key = key;
        Position = position;
        _block = PhiloxBlock.At(key, 0);
    }

    /// <summary>The sequence.</summary>
    public PhiloxKey Key { get; private set; }

    /// <summary>Index of the number that is read next.</summary>
    public ulong Position { get; set; }

    /// <summary>Goes to the start of another sequence.</summary>
    public void Restart(PhiloxKey key)
    {
        Key = key;
        Position = 0;
        _blockIndex = 0;
        _block = PhiloxBlock.At(key, 0);
    }

    /// <summary>The next 32 random bits.</summary>
    public uint NextUInt32() => Word(Position++);

    /// <summary>Uniform on [0, 1): the next of <see cref="Philox.Uniform"/>'s numbers.</summary>
    public float NextUniform() => PhiloxBlock.Uniform(NextUInt32());

    /// <summary>Standard normal: number <see cref="Position"/> of <see cref="Philox.Normal"/>'s sequence.</summary>
    public float NextNormal()
    {
        ulong index = Position++;
        ulong pair = index & ~1UL;
        (float cosine, float sine) = BoxMuller.Pair(Word(pair), Word(pair + 1));
        return index == pair ? cosine : sine;
    }

    /// <summary>Uniform on the whole numbers from 0 to <paramref name="exclusiveMaximum"/> − 1, without bias.</summary>
    /// <remarks>Multiplies and rejects (Lemire 2019); takes one number, rarely more.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="exclusiveMaximum"/> is less than 1.</exception>
    public int NextBelow(int exclusiveMaximum)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(exclusiveMaximum);
        uint range = (uint)exclusiveMaximum;
        uint rejected = unchecked(0 - range) % range;
        ulong product;
        do
        {
            product = (ulong)NextUInt32() * range;
        }
        while ((uint)product < rejected);

        return (int)(product >> 32);
    }

    /// <summary>Puts <paramref name="items"/> in a uniformly random order (Fisher-Yates, from the end).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int last = items.Length - 1; last > 0; last--)
        {
            int other = NextBelow(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    private uint Word(ulong index)
    {
        ulong block = index / 4;
        if (block != _blockIndex)
        {
            _block = PhiloxBlock.At(Key, block);
            _blockIndex = block;
        }

        return _block.Word((int)(index % 4));
    }
}
