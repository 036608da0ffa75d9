using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Lays the blocks of <see cref="LagCorrelation"/> out as a Gram matrix: element ((i, a), (j, b)) is element (i, j) of block (a, b).</summary>
/// <remarks>The lower triangle is written by squares of channels, whose rows of the result stay in the cache while every
/// pair of kernel elements adds its columns to them, and mirrored.</remarks>
internal static unsafe class BlockInterleave
{
    /// <summary>Channels along the side of a square.</summary>
    private const int Side = 16;

    /// <param name="elements">Elements of the kernel.</param>
    public static void Run(CpuDevice device, float* blocks, int channels, int elements, float alpha, float beta, float* c, long ldc)
    {
        var job = new Job(blocks, channels, elements, alpha, beta, c, ldc);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run((channels + Side - 1) / Side, body, &job);
    }

    private readonly struct Job(float* blocks, int channels, int elements, float alpha, float beta, float* c, long ldc)
    {
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
            int start = task * Side;
            int end = Math.Min(channels, start + Side);
            for (int column = 0; column <= start; column += Side)
            {
                Square(start, end, column, Math.Min(channels, column + Side));
            }

            GramSum<TSimd, TVector>.Mirror(start * elements, end * elements, c, ldc);
        }

        private void Square(int row, int rowEnd, int column, int columnEnd)
        {
            for (int a = 0; a < elements; a++)
            {
                for (int b = 0; b < elements; b++)
                {
                    // The pair in reading order is the one that was computed.
                    float* block = blocks + ((((long)Math.Min(a, b) * elements) + Math.Max(a, b)) * channels * channels);
                    long rowStride = a <= b ? channels : 1;
                    long columnStride = a <= b ? 1 : channels;
                    for (int i = row; i < rowEnd; i++)
                    {
                        float* source = block + (i * rowStride) + (column * columnStride);
                        float* target = c + ((((long)i * elements) + a) * ldc) + ((long)column * elements) + b;
                        Write(source, columnStride, columnEnd - column, target);
                    }
                }
            }
        }

        private void Write(float* source, long stride, int count, float* target)
        {
            for (int j = 0; j < count; j++)
            {
                *target = beta == 0 ? alpha * *source : (alpha * *source) + (beta * *target);
                source += stride;
                target += elements;
            }
        }
    }
}
