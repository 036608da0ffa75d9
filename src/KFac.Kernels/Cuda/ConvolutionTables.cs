using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>What the blocks of convolution_correlate.cuh do for one shape and number of images, in device memory.</summary>
/// <remarks>Made at the first call of a shape and kept: recorded graphs read it.</remarks>
internal sealed class ConvolutionTables
{
    /// <summary>Items a multiprocessor, so that the last ones to end leave little idle.</summary>
    private const int ItemsPerMultiprocessor = 6;

    private const int LeastDepth = 512;
    private const int LargeTileChannels = 65;

    private readonly DeviceBuffer _buffer;

    public ConvolutionTables(CudaStream stream, ConvolutionShape shape, int images)
    {
        var pieces = new ConvolutionPieces(shape);
        int channels = shape.Channels / shape.Groups;
        Large = channels >= LargeTileChannels;
        ConvolutionPiece[] placed = pieces.Pieces.ToArray();
        ConvolutionItem[] items = Cut(placed, images, channels, Large ? 128 : 64, stream.Properties.Multiprocessors * ItemsPerMultiprocessor / shape.Groups);
        int[] starts = pieces.PairStarts(), pairs = pieces.PairPieces();
        (Pieces, Items) = (placed.Length, items.Length);

        long pieceBytes = Rounded<ConvolutionPiece>(placed.Length), itemBytes = Rounded<ConvolutionItem>(items.Length), startBytes = Rounded<int>(starts.Length);
        _buffer = stream.Device.Allocate(pieceBytes + itemBytes + startBytes + Rounded<int>(pairs.Length));
        (PiecesAddress, ItemsAddress) = (_buffer.Address, _buffer.Address + (nint)pieceBytes);
        PairStartsAddress = ItemsAddress + (nint)itemBytes;
        PairPiecesAddress = PairStartsAddress + (nint)startBytes;
        stream.Queue.CopyToDevice(MemoryMarshal.AsBytes(placed.AsSpan()), PiecesAddress);
        stream.Queue.CopyToDevice(MemoryMarshal.AsBytes(items.AsSpan()), ItemsAddress);
        stream.Queue.CopyToDevice(MemoryMarshal.AsBytes(starts.AsSpan()), PairStartsAddress);
        stream.Queue.CopyToDevice(MemoryMarshal.AsBytes(pairs.AsSpan()), PairPiecesAddress);
    }

    /// <summary>Whether tiles are 128×128.</summary>
    public bool Large { get; }

    public int Pieces { get; }

    public int Items { get; }

    /// <summary>Products of ranges.</summary>
    public int Slots { get; private set; }

    public nint PiecesAddress { get; }

    public nint ItemsAddress { get; }

    public nint PairStartsAddress { get; }

    public nint PairPiecesAddress { get; }

    private static unsafe long Rounded<T>(int count)
        where T : unmanaged => (((long)count * sizeof(T)) + 15) / 16 * 16;

    /// <summary>Cuts pieces into ranges of about equal work: range by range, all pieces, so that their pixels are read together.</summary>
    private ConvolutionItem[] Cut(ConvolutionPiece[] pieces, int images, int channels, int tile, int wanted)
    {
        int tiles = LaunchShape.Cover(channels, tile);
        long work = pieces.Sum(piece => (long)piece.Rows * piece.Columns * images) * tiles * tiles;
        long depth = Math.Clamp(work / Math.Max(1, wanted), LeastDepth, 1 << 30) / ProductPlan.SliceDepth * ProductPlan.SliceDepth;
        for (int piece = 0; piece < pieces.Length; piece++)
        {
            pieces[piece].Slot = Slots;
            pieces[piece].Slots = LaunchShape.Cover((long)pieces[piece].Rows * pieces[piece].Columns * images, (int)depth);
            Slots += pieces[piece].Slots;
        }

        var items = new List<ConvolutionItem>();
        int most = pieces.Select(static piece => piece.Slots).DefaultIfEmpty().Max();
        for (int range = 0; range < most; range++)
        {
            for (int piece = 0; piece < pieces.Length; piece++)
            {
                if (range < pieces[piece].Slots)
                {
                    AddTiles(piece, range);
                }
            }
        }

        return [.. items];

        void AddTiles(int index, int range)
        {
            ConvolutionPiece piece = pieces[index];
            int first = checked((int)(range * depth));
            int count = (int)Math.Min(depth, ((long)piece.Rows * piece.Columns * images) - first);
            for (int row = 0; row < channels; row += tile)
            {
                // A block between a kernel element and itself is symmetric.
                for (int column = 0; column < (piece.Lag == 0 ? row + 1 : channels); column += tile)
                {
                    items.Add(new ConvolutionItem(index, piece.Slot + range, first, count, row, column));
                }
            }
        }
    }
}
