using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The Gram matrix of a convolution's patches for few channels and a small kernel: the first layer of a network.</summary>
/// <remarks>
/// The 27 elements of a 3×3 patch of three channels fill no register tile of their own, so here vectors are output positions: a task copies what
/// the elements of the patches meet at a few lines of positions, an element after the other (<see cref="ElementLines"/>), and every pair of
/// elements is an inner product over these lines. A register tile (<see cref="NarrowGramTile{TSimd, TVector}"/>) takes four elements by six; its sums are
/// vectors, which are added up when the task has passed all its lines. So all multiply-adds count but those of tiles across the
/// diagonal. Every task has a triangle of its own; these are added in the order of the tasks, which are cut by the shape alone.
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512, both factors of 3×3 over [128, 3, 32, 32] to 3 channels: by patches
/// (<see cref="PatchGram"/>) 1.8 ms, so 0.8.
/// </para>
/// </remarks>
internal static unsafe class NarrowGram
{
    /// <summary>Elements of a patch up to which the tiles' sums stay in the cache.</summary>
    private const int MostElements = 80;

    private const int MostChannels = 7;

    private const int MostTasks = 16;

    /// <summary>Positions that are worth a triangle of their own.</summary>
    private const int TaskPositions = 1024;

    /// <summary>Positions that are copied at a time, about: their elements stay in the first-level cache, or the second.</summary>
    private const int CopiedPositions = 512;

    /// <summary>Whether this is the faster way.</summary>
    public static bool Suits(ConvolutionGroup group) => group.Channels <= MostChannels && group.Width <= MostElements;

    /// <summary><c>C ← α·X̃ᵀX̃ + β·C</c> over the patches of a group's images; there is at least one image.</summary>
    public static void Run(CpuDevice device, ConvolutionGroup group, bool appendOnes, float alpha, float beta)
    {
        long lines = group.Images * (long)group.Rows.Outputs;
        int tasks = (int)Math.Clamp(Math.Min(lines * group.Columns.Outputs / TaskPositions, lines), 1, MostTasks);
        using ScratchLease triangles = device.Scratch.Rent((long)tasks * group.Width * group.Width * sizeof(float));
        var job = new Job(device, group, appendOnes, tasks, triangles.As<float>());
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(tasks, body, Unsafe.AsPointer(ref job));
        TriangleSum.Run(device, triangles.As<float>(), tasks, group.Width, alpha, beta, group.Gram, group.GramStride);
    }

    private readonly struct Job(CpuDevice device, ConvolutionGroup group, bool appendOnes, int tasks, float* triangles)
    {
        private readonly ConvolutionGroup _group = group;

        private int Width => _group.Width;

        public static void Run<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            job.RunTask<TSimd, TVector>(task);
        }

        private void RunTask<TSimd, TVector>(int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int most = Math.Clamp(CopiedPositions / _group.Columns.Outputs, 1, _group.Rows.Outputs);
            var tiles = new NarrowGramTiles<TSimd, TVector>(Width);
            long copies = GemmCore.CeilingDivide(checked((int)ElementLines.MemoryElements(_group, most)), Simd512.Count) * Simd512.Count;
            using ScratchLease lease = device.Scratch.Rent((copies * sizeof(float)) + tiles.Bytes);
            var lines = new ElementLines(_group, appendOnes, most, lease.As<float>());
            tiles.Start(lease.As<float>() + copies, lines);
            lines.Prepare();
            long all = (long)_group.Images * _group.Rows.Outputs;
            long end = all * (task + 1) / tasks;
            for (long line = all * task / tasks; line < end;)
            {
                int first = (int)(line % _group.Rows.Outputs);
                int count = (int)Math.Min(Math.Min(most, _group.Rows.Outputs - first), end - line);
                lines.Copy<TSimd, TVector>(_group.X + (line / _group.Rows.Outputs * _group.ImageStride), first, count);
                tiles.Add(count * _group.Columns.Outputs);
                line += count;
            }

            tiles.Write(triangles + ((long)task * Width * Width));
        }
    }
}
