using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Patches times weights as <see cref="PatchProduct"/> computes it, with patches read where they lie in the images.</summary>
/// <remarks>
/// A row of a patch is one stretch of memory where pixels of a line lie beside each other, and the patches of the next positions
/// begin a fixed distance further, so the register tile (<see cref="PixelTile{TSimd, TVector}"/>) takes them as it would take rows of
/// a matrix. Nothing is copied but the weights, which are packed once. Padding is left out: rows of the kernel beyond the image are
/// skipped, and where a column of the kernel stands beyond an edge for some positions of a tile, it is added to the other positions
/// apart (<see cref="TapRun"/>). For a 3×3 kernel that saves 4, 8 and 16% of the arithmetic at 32×32, 16×16 and 8×8 pixels.
/// <para>
/// A task takes some lines of positions through the panels of the weights, one after the other; panel and pixels stay in the second-level cache.
/// The terms of an element are added in an order that depends on its place in the image alone.
/// </para>
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512 (480 GF/s), 128 images, forward, by patches and so: 3×3 over 64×32×32 28.6 and
/// 22.2 ms, 128×16×16 25.5 and 20.3, 256×8×8 23.0 and 18.5, that is 87 to 92% of the limit for the arithmetic that is left; stem of 3
/// channels 2.0 and 0.5 ms. Copying images of few channels with their padding, which spares the edges, took longer (0.9 ms).
/// </para>
/// </remarks>
internal unsafe struct PixelProduct
{
    /// <summary>Positions across below which tiles are too low to be fast.</summary>
    private const int LeastWidth = 4;

    /// <summary>Elements of the images that a task reads, about.</summary>
    private const int TaskElements = 1 << 16;

    /// <summary>Positions of a task, at most.</summary>
    private const int MostPositions = 512;

    /// <summary>Elements of a panel that the tiles pass at a time, at most.</summary>
    private const int MostPanelElements = 1 << 17;

    private readonly CpuDevice _device;
    private readonly PatchGrid _grid;
    private readonly ConvolutionWeights _weights;
    private readonly PatchTarget _target;
    private readonly int _lines;
    private readonly int _linesPerTask;
    private readonly int _columns;
    private int _width;
    private int _panels;
    private int _tileRows;
    private float* _packed;
    private TapRun* _runs;
    private long* _lineOffsets;

    /// <param name="images">Images of the grid.</param>
    public PixelProduct(CpuDevice device, in PatchGrid grid, int images, in ConvolutionWeights weights, in PatchTarget target)
    {
        _device = device;
        _grid = grid;
        _weights = weights;
        _target = target;
        _lines = checked(images * grid.Height);
        _columns = weights.Columns;
        int positions = Math.Clamp(TaskElements / Math.Max(1, grid.Channels * grid.Step * grid.Step), 32, MostPositions);
        _linesPerTask = Math.Clamp(positions / grid.Width, 1, Math.Max(1, _lines / 16));
    }

    /// <summary>Whether this is the faster way.</summary>
    public static bool Suits(in PatchGrid grid) => grid.Width >= LeastWidth;

    private readonly long PanelElements => (long)_grid.Columns * _width;

    public void Run()
    {
        if (_lines == 0 || _columns == 0)
        {
            return;
        }

        switch (_device.Vectors)
        {
            case VectorWidth.Avx512:
                Run<Simd512, Vector512<float>>();
                break;
            case VectorWidth.Avx2:
                Run<Simd256, Vector256<float>>();
                break;
            default:
                Run<Simd128, Vector128<float>>();
                break;
        }
    }

    private void Run<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        _width = GemmCore.EvenPart(_columns, 3 * TSimd.Count, TSimd.Count);
        _panels = (_columns + _width - 1) / _width;
        _tileRows = GemmCore.EvenPart(_grid.Width, PixelTile<TSimd, TVector>.MostRows, 1);
        int tiles = (_grid.Width + _tileRows - 1) / _tileRows;
        long packedBytes = (_panels * PanelElements * sizeof(float) + 63) / 64 * 64;
        long offsetBytes = 2L * _grid.Down.Count * sizeof(long);
        using ScratchLease lease = _device.Scratch.Rent(packedBytes + offsetBytes + ((long)tiles * _grid.Across.Count * sizeof(TapRun)));
        _packed = lease.As<float>();
        _lineOffsets = (long*)(lease.As<byte>() + packedBytes);
        _runs = (TapRun*)(lease.As<byte>() + packedBytes + offsetBytes);
        for (int line = 0; line < _grid.Down.Count; line++)
        {
            _lineOffsets[2 * line] = (long)line * _grid.Down.Spacing * _grid.SourceWidth * _grid.Stride;
            _lineOffsets[(2 * line) + 1] = (long)line * _grid.Across.Count * _grid.Channels * _width;
        }

        for (int tile = 0; tile < tiles; tile++)
        {
            int x = tile * _tileRows;
            TapRun.Fill(_grid, x, Math.Min(_tileRows, _grid.Width - x), new Span<TapRun>(_runs + (tile * _grid.Across.Count), _grid.Across.Count));
        }

        void* context = Unsafe.AsPointer(ref this);
        _device.Workers.Run(_panels, &Pack, context);
        _device.Workers.Run((_lines + _linesPerTask - 1) / _linesPerTask, &Multiply<TSimd, TVector>, context);
    }

    private static void Pack(void* context, int panel)
    {
        ref PixelProduct p = ref Unsafe.AsRef<PixelProduct>(context);
        int column = panel * p._width;
        p._weights.Pack(
            p._grid, 0, p._grid.Columns, column, Math.Min(p._width, p._columns - column), p._packed + (panel * p.PanelElements), p._width);
    }

    private static void Multiply<TSimd, TVector>(void* context, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref PixelProduct p = ref Unsafe.AsRef<PixelProduct>(context);
        int first = task * p._linesPerTask;
        int end = Math.Min(p._lines, first + p._linesPerTask);
        int kernelLine = p._grid.Across.Count * p._grid.Channels * p._width;
        int kernelLines = Math.Max(1, MostPanelElements / Math.Max(1, kernelLine));
        for (int panel = 0; panel < p._panels; panel++)
        {
            for (int kernel = 0; kernel < Math.Max(1, p._grid.Down.Count); kernel += kernelLines)
            {
                var kernelRange = new StepRange(kernel, Math.Min(p._grid.Down.Count, kernel + kernelLines));
                for (int line = first; line < end; line++)
                {
                    p.MultiplyLine<TSimd, TVector>(panel, line, kernelRange);
                }
            }
        }
    }

    /// <summary>A line of positions times some lines of the kernel.</summary>
    private readonly void MultiplyLine<TSimd, TVector>(int panel, int line, StepRange kernel)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int image = line / _grid.Height;
        int y = (line - (image * _grid.Height)) * _grid.Step;
        (int firstMet, int endMet) = _grid.Down.Inside(y, _grid.SourceHeight);
        StepRange met = kernel.Intersect(new StepRange(firstMet, endMet));
        int column = panel * _width;
        int columns = Math.Min(_width, _columns - column);
        float* weights = _packed + (panel * PanelElements);
        float* pixels = _grid.Pixel(image, y + _grid.Down.Offset, _grid.Across.Offset);
        long ldc = _target.Step * _target.Stride;
        for (int x = 0; x < _grid.Width; x += _tileRows)
        {
            int rows = Math.Min(_tileRows, _grid.Width - x);
            float* c = _target.Row((line * _grid.Width) + x) + column;
            ReadOnlySpan<TapRun> runs = new(_runs + (x / _tileRows * _grid.Across.Count), _grid.Across.Count);
            float beta = kernel.Start == 0 ? _target.Beta : 1;
            if (kernel.Start == 0 && (_grid.HasOnes || met.Count == 0 || !runs[0].IsWhole(rows)))
            {
                Start(rows, columns, weights, c, ldc);
                beta = 1;
            }

            for (int i = 0; i < runs.Length && met.Count > 0 && runs[i].Taps > 0; i++)
            {
                TapRun run = runs[i];
                var lines = new TileLines((nint)(_lineOffsets + (2 * met.Start)), met.Count, run.Taps * _grid.Channels, 1, _width);
                float* a = pixels + ((((x + run.First) * _grid.Step) + (run.Tap * _grid.Across.Spacing)) * _grid.Stride);
                float* b = weights + ((long)run.Tap * _grid.Channels * _width);
                MultiplyTile<TSimd, TVector>(run.Rows, columns, lines, a, b, beta, c + (run.First * ldc), ldc);
                beta = 1;
            }
        }
    }

    [SkipLocalsInit]
    private readonly void MultiplyTile<TSimd, TVector>(int rows, int columns, in TileLines lines, float* a, float* b, float beta, float* c, long ldc)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int vectors = (columns + TSimd.Count - 1) / TSimd.Count;
        long strideA = _grid.Step * _grid.Stride;
        if (columns == vectors * TSimd.Count)
        {
            PixelTile<TSimd, TVector>.Multiply(rows, vectors, lines, a, strideA, b, beta, c, ldc);
            return;
        }

        float* edge = stackalloc float[8 * 3 * TSimd.Count];
        PixelTile<TSimd, TVector>.Multiply(rows, vectors, lines, a, strideA, b, 0, edge, 3 * TSimd.Count);
        TileRow<TSimd, TVector, ThreeVectors>.Write(edge, rows, columns, new TileTarget(1, beta, c, ldc));
    }

    /// <summary>What products are added to: the bias, or <c>β·C</c>.</summary>
    private readonly void Start(int rows, int columns, float* weights, float* c, long ldc)
    {
        if (!_grid.HasOnes)
        {
            GemmCore.Scale(rows, columns, _target.Beta, c, ldc);
            return;
        }

        var bias = new ReadOnlySpan<float>(weights + ((long)_grid.Pixels * _width), columns);
        for (int i = 0; i < rows; i++)
        {
            bias.CopyTo(new Span<float>(c + (i * ldc), columns));
        }
    }
}
