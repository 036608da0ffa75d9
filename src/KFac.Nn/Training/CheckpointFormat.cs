namespace KFac.Nn;

/// <summary>Constants of the checkpoint file.</summary>
internal static class CheckpointFormat
{
    public const byte VectorTag = (byte)'V';
    public const byte IntegerTag = (byte)'I';
    public const byte RealTag = (byte)'R';
    public const byte EndTag = (byte)'E';

    /// <summary>Elements moved between device and file at a time.</summary>
    public const int BlockLength = 1 << 16;

    /// <summary>The last byte is the version.</summary>
    public static ReadOnlySpan<byte> Magic => "KFACCKP\x02"u8;
}
