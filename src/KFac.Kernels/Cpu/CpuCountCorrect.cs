using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction.CountCorrect"/> on the CPU: a row is compared with the score at its label, once over it, instead
/// of looking for the largest score and for where it stands.</summary>
internal static unsafe class CpuCountCorrect
{
    public static void Run(CpuDevice device, MatrixView<float> scores, VectorView<int> labels, VectorView<long> result)
    {
        int tasks = RowTasks.Count(scores.Rows, scores.Columns);
        using ScratchLease lease = device.Scratch.Rent((long)tasks * sizeof(long));
        long* correct = lease.As<long>();
        var context = new Context(scores, labels, correct);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Rows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Rows<Simd256, Vector256<float>>,
            _ => &Rows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(tasks, body, &context);
        long total = 0;
        for (int task = 0; task < tasks; task++)
        {
            total += correct[task];
        }

        *result.Pointer = total;
    }

    private static void Rows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.RowCount, c.Columns);
        long correct = 0;
        for (int row = first; row < end; row++)
        {
            int label = c.Labels[row];
            correct += (uint)label < (uint)c.Columns && SimdRow<TSimd, TVector>.IsLargest(c.Scores(row), label, c.Columns) ? 1 : 0;
        }

        c.Correct[task] = correct;
    }

    private readonly struct Context(MatrixView<float> scores, VectorView<int> labels, long* correct)
    {
        public readonly int RowCount = scores.Rows;
        public readonly int Columns = scores.Columns;
        public readonly int* Labels = labels.Pointer;
        public readonly long* Correct = correct;
        private readonly float* _scores = scores.Pointer;
        private readonly long _stride = scores.RowStride;

        public float* Scores(int row) => _scores + (row * _stride);
    }
}
