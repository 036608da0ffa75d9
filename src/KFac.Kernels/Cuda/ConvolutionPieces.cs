using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>The rectangles of pixels that convolution_correlate.cuh multiplies, and which of them make the block of which pair of
/// kernel elements.</summary>
/// <remarks>
/// The pairs (e, f) of one lag f − e and one phase (with strides) sum over almost the same pixels. Along either axis their
/// windows are cut at each other's ends; a piece is one interval of rows by one of columns, and each pair has those inside its
/// window. Only lags that come first in reading order are needed: block (f, e) is the transpose of block (e, f).
/// </remarks>
internal sealed class ConvolutionPieces
{
    private readonly ConvolutionShape _shape;
    private readonly ConvolutionAxis _rows;
    private readonly ConvolutionAxis _columns;
    private readonly List<ConvolutionPiece> _pieces = [];
    private readonly List<int>[] _pairs;

    public ConvolutionPieces(ConvolutionShape shape)
    {
        _shape = shape;
        _rows = new ConvolutionAxis(shape.Height, shape.KernelHeight, shape.Stride, shape.Padding, shape.Dilation, shape.OutputHeight);
        _columns = new ConvolutionAxis(shape.Width, shape.KernelWidth, shape.Stride, shape.Padding, shape.Dilation, shape.OutputWidth);
        int elements = shape.KernelHeight * shape.KernelWidth;
        _pairs = new List<int>[elements * elements];
        for (int pair = 0; pair < _pairs.Length; pair++)
        {
            _pairs[pair] = [];
        }

        for (int rowLag = 0; rowLag < shape.KernelHeight; rowLag++)
        {
            for (int columnLag = rowLag == 0 ? 0 : 1 - shape.KernelWidth; columnLag < shape.KernelWidth; columnLag++)
            {
                for (int phases = 0; phases < shape.Stride * shape.Stride; phases++)
                {
                    Add(rowLag, columnLag, phases / shape.Stride, phases % shape.Stride);
                }
            }
        }
    }

    public ReadOnlySpan<ConvolutionPiece> Pieces => CollectionsMarshal.AsSpan(_pieces);

    /// <summary>Where the pieces of pair e·elements + f begin among <see cref="PairPieces"/>, and where the last one's end.</summary>
    public int[] PairStarts()
    {
        var starts = new int[_pairs.Length + 1];
        for (int pair = 0; pair < _pairs.Length; pair++)
        {
            starts[pair + 1] = starts[pair] + _pairs[pair].Count;
        }

        return starts;
    }

    /// <summary>The pieces of every pair.</summary>
    public int[] PairPieces() => [.. _pairs.SelectMany(static pieces => pieces)];

    private void Add(int rowLag, int columnLag, int rowPhase, int columnPhase)
    {
        foreach ((StepRange rows, List<int> rowMembers) in Cut(_rows, rowLag, rowPhase))
        {
            foreach ((StepRange columns, List<int> columnMembers) in Cut(_columns, columnLag, columnPhase))
            {
                foreach (int a in rowMembers)
                {
                    foreach (int b in columnMembers)
                    {
                        int first = (a * _shape.KernelWidth) + b;
                        int second = ((a + rowLag) * _shape.KernelWidth) + b + columnLag;
                        _pairs[(first * _shape.KernelHeight * _shape.KernelWidth) + second].Add(_pieces.Count);
                    }
                }

                _pieces.Add(new ConvolutionPiece(
                    (rows.Start * _shape.Stride) + rowPhase,
                    (columns.Start * _shape.Stride) + columnPhase,
                    rows.Count,
                    columns.Count,
                    ((rowLag * _shape.Width) + columnLag) * _shape.Dilation));
            }
        }
    }

    /// <summary>The intervals into which the windows of a lag's kernel elements cut each other, with the elements that have them.</summary>
    private static List<(StepRange Steps, List<int> Members)> Cut(ConvolutionAxis axis, int lag, int phase)
    {
        var windows = new List<(int Element, StepRange Steps)>();
        var ends = new SortedSet<int>();
        for (int a = 0; a < axis.Kernel; a++)
        {
            if (axis.IsMember(a, lag, phase) && axis.Window(a, lag) is { Count: > 0 } window)
            {
                windows.Add((a, window));
                ends.Add(window.Start);
                ends.Add(window.End);
            }
        }

        var intervals = new List<(StepRange, List<int>)>();
        foreach ((int start, int end) in ends.Zip(ends.Skip(1)))
        {
            List<int> members = [.. windows.Where(window => window.Steps.Start <= start && window.Steps.End >= end).Select(static window => window.Element)];
            if (members.Count > 0)
            {
                intervals.Add((new StepRange(start, end), members));
            }
        }

        return intervals;
    }
}

/// <summary>Mirrors <c>ConvolutionPiece</c> of convolution_correlate.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ConvolutionPiece
{
    public readonly int Row;
    public readonly int Column;
    public readonly int Rows;
    public readonly int Columns;
    public readonly uint AreaMultiplier;
    public readonly uint ColumnsMultiplier;
    public readonly int AreaShift;
    public readonly int ColumnsShift;
    public readonly int Lag;
    public int Slot;
    public int Slots;

    public ConvolutionPiece(int row, int column, int rows, int columns, int lag)
    {
        (Row, Column, Rows, Columns, Lag) = (row, column, rows, columns, lag);
        (AreaMultiplier, AreaShift) = Divisor(rows * columns);
        (ColumnsMultiplier, ColumnsShift) = Divisor(columns);
    }

    /// <summary>Division of numbers below 2³¹ by multiplication (Granlund and Montgomery 1994): <c>divide</c> in convolution_correlate.cuh.</summary>
    private static (uint Multiplier, int Shift) Divisor(int divisor)
    {
        if (divisor == 1)
        {
            return (0, 0);
        }

        int bits = 32 - int.LeadingZeroCount(divisor - 1);
        ulong power = 1UL << (31 + bits);
        return ((uint)((power + (uint)divisor - 1) / (uint)divisor), bits - 1);
    }
}

/// <summary>Mirrors <c>ConvolutionItem</c> of convolution_correlate.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct ConvolutionItem(int Piece, int Slot, int First, int Depth, int Row, int Column);
