using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The Gram matrix of a convolution's patches, a few hundred patches at a time: for few channels and a large kernel.</summary>
/// <remarks>
/// Correlating pixels (<see cref="LagCorrelation"/>) multiplies channels by channels, which leaves most of a register tile
/// empty where there are few; here whole patches are multiplied. Patches too small to fill a tile are left to <see cref="NarrowGram"/>. A task copies an image with its padding, gathers the patches
/// of a few output rows into a block that stays in the second-level cache, adds their products to a triangle of its own, and
/// goes on to the next rows. A row of the kernel is adjacent both in the image and in the patch, so it is moved by a vector or
/// two; what such a move writes beyond the row is written over by the next. The triangles are added in the order of the
/// tasks, which are cut by the shape alone.
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512, by lags and so: 3×3 over [128, 3, 32, 32] 2.8 and 1.4 ms, 7×7 with stride
/// 2 over [8, 3, 224, 224] 24 and 9.1 ms, 3×3 over [128, 8, 32, 32] 2.5 and 4 ms.
/// </para>
/// </remarks>
internal static unsafe class PatchGram
{
    /// <summary>Positions that are gathered at a time.</summary>
    private const int Depth = GemmCore.DepthBlock;

    private const int MostChunks = 16;

    /// <summary>Positions that are worth a triangle of their own.</summary>
    private const int ChunkPositions = 1024;

    /// <summary><c>C ← α·X̃ᵀX̃ + β·C</c> over the patches of a group's images; there is at least one image, and no dilation.</summary>
    public static void Run(CpuDevice device, ConvolutionGroup group, bool appendOnes, float alpha, float beta)
    {
        long rows = group.Images * (long)group.Rows.Outputs;
        int chunks = (int)Math.Clamp(Math.Min(rows * group.Columns.Outputs / ChunkPositions, rows), 1, MostChunks);
        using ScratchLease triangles = device.Scratch.Rent((long)chunks * group.Width * group.Width * sizeof(float));
        var job = new Job(device, group, appendOnes, chunks, triangles.As<float>());
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<GemmTile512, Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>,
            _ => &Job.Run<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>,
        };
        device.Workers.Run(chunks, body, Unsafe.AsPointer(ref job));
        TriangleSum.Run(device, triangles.As<float>(), chunks, group.Width, alpha, beta, group.Gram, group.GramStride);
    }

    private readonly struct Job(
        CpuDevice device, ConvolutionGroup group, bool appendOnes, int chunks, float* triangles)
    {
        private readonly ConvolutionGroup _group = group;

        private int Patch => _group.Width - (appendOnes ? 1 : 0);

        private long TriangleSize => (long)_group.Width * _group.Width;

        private int PaddedWidth => _group.Columns.Size + (2 * _group.Columns.Padding);

        private long PaddedPlane => (long)(_group.Rows.Size + (2 * _group.Rows.Padding)) * PaddedWidth;

        public static void Run<TTile, TSimd, TVector>(void* context, int task)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            job.RunTask<TTile, TSimd, TVector>(task);
        }

        private void RunTask<TTile, TSimd, TVector>(int task)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            long patchElements = ((long)Depth * Patch) + TSimd.Count;
            long imageElements = (_group.Channels * PaddedPlane) + TSimd.Count;
            using ScratchLease lease = device.Scratch.Rent(GramTriangle<TTile, TSimd, TVector>.ScratchBytes + ((patchElements + imageElements) * sizeof(float)));
            float* patches = (float*)(lease.As<byte>() + GramTriangle<TTile, TSimd, TVector>.ScratchBytes);
            float* image = patches + patchElements;
            float* sums = triangles + (task * TriangleSize);
            long rows = (long)_group.Images * _group.Rows.Outputs;
            int together = Math.Max(1, Depth / _group.Columns.Outputs);
            long copied = -1;
            float beta = 0;
            for (long row = Start(task, rows); row < Start(task + 1, rows);)
            {
                int first = (int)(row % _group.Rows.Outputs);
                int count = (int)Math.Min(Math.Min(together, _group.Rows.Outputs - first), Start(task + 1, rows) - row);
                if (row / _group.Rows.Outputs != copied)
                {
                    copied = row / _group.Rows.Outputs;
                    CopyPadded(_group.X + (copied * _group.ImageStride), image);
                }

                for (int column = 0; column < _group.Columns.Outputs; column += Depth)
                {
                    int width = Math.Min(Depth, _group.Columns.Outputs - column);
                    Gather<TSimd, TVector>(image, new StepRange(first, first + count), new StepRange(column, column + width), patches);
                    var block = new GramRows(new StridedMatrix(patches, Patch, 1), count * width, Patch, appendOnes);
                    GramTriangle<TTile, TSimd, TVector>.Multiply(
                        lease.As<float>(), block, 0, GramTriangle<TTile, TSimd, TVector>.Groups(block), 1, beta, sums, _group.Width);
                    beta = 1;
                }

                row += count;
            }
        }

        private long Start(int chunk, long all) => all * chunk / chunks;

        private void CopyPadded(float* image, float* padded)
        {
            ConvolutionAxis down = _group.Rows, across = _group.Columns;
            if (down.Padding > 0)
            {
                NativeMemory.Clear(padded, (nuint)(_group.Channels * PaddedPlane * sizeof(float)));
            }

            for (int channel = 0; channel < _group.Channels; channel++)
            {
                float* target = padded + (channel * PaddedPlane) + ((long)down.Padding * PaddedWidth) + across.Padding;
                float* source = image + (channel * _group.ChannelStride);
                for (int y = 0; y < down.Size; y++)
                {
                    CopyLine(source, _group.PixelStride, across.Size, target);
                    source += across.Size * _group.PixelStride;
                    target += PaddedWidth;
                }
            }
        }

        private static void CopyLine(float* source, long stride, int count, float* target)
        {
            if (stride == 1)
            {
                new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(target, count));
                return;
            }

            for (int x = 0; x < count; x++)
            {
                target[x] = source[x * stride];
            }
        }

        /// <summary>Writes the patches of a rectangle of outputs, one after the other.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Gather<TSimd, TVector>(float* padded, StepRange rows, StepRange columns, float* patches)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int kernelRows = _group.Rows.Kernel, kernelColumns = _group.Columns.Kernel, channels = _group.Channels;
            long plane = PaddedPlane;
            int width = PaddedWidth;
            for (int y = rows.Start; y < rows.End; y++)
            {
                for (int x = columns.Start; x < columns.End; x++)
                {
                    float* corner = padded + ((long)y * _group.Rows.Stride * width) + ((long)x * _group.Columns.Stride);
                    for (int channel = 0; channel < channels; channel++)
                    {
                        float* line = corner + (channel * plane);
                        for (int a = 0; a < kernelRows; a++)
                        {
                            for (int b = 0; b < kernelColumns; b += TSimd.Count)
                            {
                                TSimd.Store(TSimd.Load(line + b), patches + b);
                            }

                            patches += kernelColumns;
                            line += width;
                        }
                    }
                }
            }
        }
    }
}
