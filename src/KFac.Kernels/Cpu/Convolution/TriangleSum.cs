using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>A Gram matrix from triangles that tasks have computed: <c>C ← α·Σ triangles + β·C</c>, both triangles of C.</summary>
internal static unsafe class TriangleSum
{
    /// <summary>Rows that one task takes.</summary>
    private const int TaskRows = 48;

    /// <param name="triangles">[count, width, width], lower triangles, which are added in order.</param>
    public static void Run(CpuDevice device, float* triangles, int count, int width, float alpha, float beta, float* c, long ldc)
    {
        var job = new Job(triangles, count, width, alpha, beta, c, ldc);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run((width + TaskRows - 1) / TaskRows, body, &job);
    }

    private readonly struct Job(float* triangles, int count, int width, float alpha, float beta, float* c, long ldc)
    {
        public static void Run<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => Unsafe.AsRef<Job>(context).RunTask<TSimd, TVector>(task);

        private void RunTask<TSimd, TVector>(int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int start = task * TaskRows;
            int end = Math.Min(width, start + TaskRows);
            for (int row = start; row < end; row++)
            {
                GramSum<TSimd, TVector>.Row(triangles + ((long)row * width), (long)width * width, count, row + 1, alpha, beta, c + (row * ldc));
            }

            GramSum<TSimd, TVector>.Mirror(start, end, c, ldc);
        }
    }
}
