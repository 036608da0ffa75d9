using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The gradient of a convolution's weights as <see cref="PatchGradient"/> computes it, with pixels read where they lie.</summary>
/// <remarks>
/// Every tap of the kernel is a product of its own: output gradients at the positions where it meets pixels, not padding, times
/// these pixels. A step of the register tile (<see cref="PixelTile{TSimd, TVector}"/>) takes adjacent channels of a position and of a
/// pixel, so nothing is packed. All taps pass over some <see cref="ChunkPositions"/> positions, which stay in the second-level cache
/// with the sums, before the next.
/// <para>
/// A task takes the positions of a part of the lines, and of the output channels so many that their sums stay in the cache. Parts
/// are cut by shape and added in order (<see cref="GradientSums"/>), so no bit depends on threads.
/// </para>
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512 (480 GF/s), 128 images, by patches and so: 3×3 over 64×32×32 31.1 and 23.8 ms,
/// 128×16×16 27.9 and 21.3, 256×8×8 27.3 and 20.5. A tile compiled for rows that are adjacent was no faster.
/// </para>
/// </remarks>
internal unsafe struct PixelGradient
{
    /// <summary>Positions that all taps pass over before the next, about.</summary>
    private const int ChunkPositions = 128;

    /// <summary>Sums of a task, at most.</summary>
    private const int MostSums = 80 << 10;

    /// <summary>Tasks at least, so that threads get equal shares.</summary>
    private const int LeastTasks = 16;

    /// <summary>Output channels are cut at multiples of every tile's height.</summary>
    private const int BandGrain = 8;

    /// <summary>Positions across below which lines are too short to be fast.</summary>
    private const int LeastWidth = 4;

    private readonly CpuDevice _device;
    private readonly PatchGrid _grid;
    private readonly ConvolutionArguments _arguments;
    private readonly int _lines;
    private readonly int _linesPerChunk;
    private readonly int _band;
    private readonly int _bands;
    private readonly int _parts;
    private GradientSums _sums;

    public PixelGradient(CpuDevice device, in PatchGrid grid, in ConvolutionArguments arguments)
    {
        _device = device;
        _grid = grid;
        _arguments = arguments;
        _lines = arguments.Images * grid.Height;
        _linesPerChunk = Math.Max(1, ChunkPositions / grid.Width);
        _band = GemmCore.EvenPart(Outputs, Math.Max(BandGrain, MostSums / grid.Columns / BandGrain * BandGrain), BandGrain);
        _bands = (Outputs + _band - 1) / _band;
        _parts = Math.Clamp(_lines / _linesPerChunk, 1, (LeastTasks + _bands - 1) / _bands);
    }

    private readonly int Outputs => _arguments.Y.Columns;

    /// <summary>Whether this can be done, and is the faster way.</summary>
    public static bool Suits(in PatchGrid grid) => grid.Width >= LeastWidth && grid.Channels % Simd512.Count == 0;

    public void Run()
    {
        using ScratchLease lease = _device.Scratch.Rent(GradientSums.Bytes(_grid, Outputs, _parts));
        _sums = new GradientSums(_device, _grid, _arguments, _parts, lease.As<float>());
        delegate*<void*, int, void> body = _device.Vectors switch
        {
            VectorWidth.Avx512 => &Multiply<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Multiply<Simd256, Vector256<float>>,
            _ => &Multiply<Simd128, Vector128<float>>,
        };
        _device.Workers.Run(_bands * _parts, body, Unsafe.AsPointer(ref this));
        _sums.Write();
    }

    private static void Multiply<TSimd, TVector>(void* context, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref PixelGradient p = ref Unsafe.AsRef<PixelGradient>(context);
        (int part, int output) = (task / p._bands, task % p._bands * p._band);
        int outputs = Math.Min(p._band, p.Outputs - output);
        int first = (int)((long)p._lines * part / p._parts);
        int end = (int)((long)p._lines * (part + 1) / p._parts);
        float* sums = p._sums.Of(part, output);
        new Span<float>(sums, outputs * p._grid.Columns).Clear();
        using ScratchLease lease = p._device.Scratch.Rent(2L * p._linesPerChunk * sizeof(long));
        for (int line = first; line < end; line += p._linesPerChunk)
        {
            int lines = Math.Min(p._linesPerChunk, end - line);
            p.AddLines<TSimd, TVector>(line, lines, output, outputs, lease.As<long>(), sums);
            if (p._grid.HasOnes)
            {
                p.AddOnes<TSimd, TVector>(line * p._grid.Width, lines * p._grid.Width, output, outputs, sums + p._grid.Pixels);
            }
        }
    }

    /// <summary>Adds the products of some lines of positions with all taps.</summary>
    private readonly void AddLines<TSimd, TVector>(int line, int lines, int output, int outputs, long* offsets, float* sums)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        MatrixView<float> y = _arguments.Y;
        int tap = 0;
        for (int down = 0; down < _grid.Down.Count; down++)
        {
            int met = _grid.MeetingLines(line, lines, down, y.RowStride, 1, offsets);
            for (int across = 0; across < _grid.Across.Count; across++, tap++)
            {
                StepRange positions = TapRun.Met(_grid, across, 0, _grid.Width);
                if (positions.Count == 0 || met == 0)
                {
                    continue;
                }

                var steps = new TileLines((nint)offsets, met, positions.Count, y.RowStride, _grid.Step * _grid.Stride);
                float* gradients = y.Pointer + (positions.Start * y.RowStride) + output;
                float* pixels = _grid.Pixel(0, 0, (positions.Start * _grid.Step) + _grid.Across.Offset + (across * _grid.Across.Spacing));
                AddTap<TSimd, TVector>(steps, gradients, outputs, pixels, sums + (tap * _grid.Channels));
            }
        }
    }

    private readonly void AddTap<TSimd, TVector>(in TileLines steps, float* gradients, int outputs, float* pixels, float* sums)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int left = _grid.Channels / TSimd.Count;
        for (int column = 0; left > 0;)
        {
            int vectors = left is 2 or 4 ? 2 : Math.Min(3, left);
            for (int row = 0; row < outputs; row += PixelTile<TSimd, TVector>.MostRows)
            {
                int rows = Math.Min(PixelTile<TSimd, TVector>.MostRows, outputs - row);
                PixelTile<TSimd, TVector>.Multiply(
                    rows, vectors, steps, gradients + row, 1, pixels + column, 1, sums + ((long)row * _grid.Columns) + column, _grid.Columns);
            }

            column += vectors * TSimd.Count;
            left -= vectors;
        }
    }

    /// <summary>Adds output gradients to the column of the bias.</summary>
    [SkipLocalsInit]
    private readonly void AddOnes<TSimd, TVector>(int position, int positions, int output, int outputs, float* sums)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* totals = stackalloc float[TSimd.Count];
        long stride = _arguments.Y.RowStride;
        for (int first = 0; first < outputs; first += TSimd.Count)
        {
            int count = Math.Min(TSimd.Count, outputs - first);
            float* gradients = _arguments.Y.Pointer + (position * stride) + output + first;
            TVector total = TSimd.Zero;
            for (int i = 0; i < positions; i++)
            {
                total = TSimd.Add(total, count == TSimd.Count ? TSimd.Load(gradients) : TSimd.LoadPartial(gradients, count));
                gradients += stride;
            }

            TSimd.Store(total, totals);
            for (int i = 0; i < count; i++)
            {
                sums[(long)(first + i) * _grid.Columns] += totals[i];
            }
        }
    }
}
